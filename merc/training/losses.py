"""The working parts of merc's own losses, over the answers of a batch of trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from merc.components import Head, LossContext, Targets
from merc.components.model import Batch, Outputs
from merc.conversation import LabelSpace
from merc.errors import MercError


class AnswerLoss(nn.Module):
    """A loss of right answers, counted by answers or by their tokens, and weighed by class or not."""

    classes: Tensor | None

    def __init__(
        self, context: LossContext, average: Literal["utterances", "tokens"], weights: Literal["none", "balanced"]
    ) -> None:
        super().__init__()
        self.average = average
        balanced = balanced_weights(context.counts, context.labels) if weights == "balanced" else None
        self.register_buffer("classes", balanced, persistent=False)

    def counts(self, batch: Batch) -> Tensor:
        """What each prompt counts ``[prompts]``."""
        lengths = batch.at_right_answer(batch.path_length)
        counts = lengths if self.average == "tokens" else torch.ones(len(lengths), device=lengths.device)
        return counts if self.classes is None else counts * class_weights(batch, self.classes)

    def weighed(self, losses: Tensor, batch: Batch) -> Tensor:
        """Losses ``[prompts]`` times the weights of their classes."""
        return losses if self.classes is None else losses * class_weights(batch, self.classes)


class TokenNLLFunction(AnswerLoss):
    """The negative log-likelihood of each right answer, summed over its tokens."""

    def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.path_log_probs is not None
        return self.weighed(-batch.at_right_answer(outputs.path_log_probs), batch)


class LabelCEFunction(AnswerLoss):
    """The cross-entropy of the right label among all labels."""

    def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.path_log_probs is not None
        is_label = batch.truth >= 0
        losses = -batch.at_right_answer(outputs.path_log_probs)
        if bool(is_label.any()):
            scores = batch.label_scores(outputs.path_log_probs)[is_label]
            compared = nn.functional.cross_entropy(scores, batch.truth[is_label], reduction="none")
            losses = losses.masked_fill(is_label, 0.0).index_add(0, is_label.nonzero().flatten(), compared)
        return self.weighed(losses, batch)


class HeadFunction(nn.Module):
    """The loss of a head's outputs, over what is known."""

    def __init__(self, head: Head, name: str) -> None:
        super().__init__()
        self.head, self.name = head, name

    def counts(self, batch: Batch) -> Tensor:
        """1 for a prompt of which something is known, else 0 ``[prompts]``."""
        return self._targets(batch).known.any(1).float()

    def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Losses ``[prompts]``: the mean over the outputs whose targets are known; 0 where none is."""
        assert outputs.heads is not None
        targets = self._targets(batch)
        losses = self.head.losses(outputs.heads[self.name], targets)
        if losses.shape != targets.known.shape:
            raise MercError(
                f"heads.{self.name}: losses() gives {tuple(losses.shape)} for targets {tuple(targets.known.shape)}"
            )
        return losses.masked_fill(~targets.known, 0.0).sum(1) / targets.known.sum(1).clamp(min=1)

    def _targets(self, batch: Batch) -> Targets:
        values, known = self.head.targets(batch.queries)
        device = batch.path_prompt.device
        return Targets(values.to(device), known.to(device))


def class_weights(batch: Batch, classes: Tensor) -> Tensor:
    """The weight of each prompt's right label ``[prompts]``; 1 for an answer that is no label."""
    weights = classes.to(batch.truth.device)[batch.truth.clamp(min=0)]
    return torch.where(batch.truth >= 0, weights, torch.ones_like(weights))


def balanced_weights(counts: Mapping[str, int], labels: LabelSpace) -> Tensor:
    """Weights ``[labels]`` that make every label count alike: n / (labels that occur · n of the label).

    A label that does not occur, though a later epoch may draw it, weighs as one that occurs once.

    >>> balanced_weights({"joy": 3, "anger": 1}, LabelSpace(("joy", "anger", "fear"))).tolist()
    [0.6666666865348816, 2.0, 2.0]
    """
    total, present = sum(counts.values()), sum(count > 0 for count in counts.values())
    weights = [total / (present * max(1, counts.get(name, 0))) for name in labels.labels]
    return torch.tensor(weights)
