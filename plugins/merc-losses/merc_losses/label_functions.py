"""The working parts of the losses of label probabilities."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

import merc

OfLabels = Callable[[Tensor, Tensor], Tensor]
"""Log-probabilities ``[prompts, labels]`` (minus infinity for a label that was not asked) and right labels
``[prompts]`` in, losses ``[prompts]`` out."""


class OverLabels(nn.Module):
    """A loss over the prompts whose answer is a label; the others are 0 and count nothing.

    Raises MercError, by the loss's ``name``, where no answer of the stage is a label."""

    def __init__(self, context: merc.LossContext, name: str) -> None:
        super().__init__()
        if not any(context.counts.values()):
            raise merc.MercError(
                f"loss {name!r} compares labels, and no answer that this stage learns is one; use 'rationale' or "
                "'token-nll' for answers that are texts"
            )

    def counts(self, batch: merc.Batch) -> Tensor:
        """1 for a prompt that asks for a label, else 0 ``[prompts]``."""
        return (batch.truth >= 0).float()

    def over(self, batch: merc.Batch, path_log_probs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probabilities ``[labelled, labels]`` and right labels ``[labelled]`` of the prompts that ask for a
        label, and the places of these."""
        labelled = (batch.truth >= 0).nonzero().flatten()
        return batch.label_scores(path_log_probs)[labelled].log_softmax(-1), batch.truth[labelled], labelled


def counted(batch: merc.Batch, places: Iterable[int]) -> Tensor:
    """1 at some prompts, 0 at the others ``[prompts]``."""
    counts = torch.zeros(len(batch.queries), device=batch.path_prompt.device)
    for place in places:
        counts[place] = 1.0
    return counts


def spread(batch: merc.Batch, values: Tensor, places: Tensor, source: Tensor) -> Tensor:
    """Values at some prompts, 0 at the others ``[prompts]``, in the graph of ``source`` even where there are none."""
    return (source.sum() * 0.0).expand(len(batch.queries)).index_add(0, places, values)


class LabelFunction(OverLabels):
    """A loss of each prompt's label probabilities alone, times a weight of the right label ``[labels]`` if there is
    one."""

    weights: Tensor | None

    def __init__(
        self, context: merc.LossContext, name: str, of_labels: OfLabels, weights: Tensor | None = None
    ) -> None:
        super().__init__(context, name)
        self.of_labels = of_labels
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.path_log_probs is not None
        log_probs, truth, labelled = self.over(batch, outputs.path_log_probs)
        losses = self.of_labels(log_probs, truth)
        if self.weights is not None:
            losses = losses * self.weights[truth]
        return spread(batch, losses, labelled, outputs.path_log_probs)


def right_of(log_probs: Tensor, truth: Tensor) -> Tensor:
    """The log-probability of each right label ``[prompts]``."""
    return log_probs.gather(1, truth[:, None])[:, 0]


def task(log_probs: Tensor, truth: Tensor) -> Tensor:
    """-log p_y."""
    return -right_of(log_probs, truth)


def focal(gamma: float) -> OfLabels:
    """-(1 - p_y)^gamma · log p_y; the cross-entropy for gamma 0."""

    def losses(log_probs: Tensor, truth: Tensor) -> Tensor:
        right = right_of(log_probs, truth)
        # 1 - p, held above 0 where rounding makes it 0: the slope of a power below 1 is infinite there.
        missing = (-torch.expm1(right)).clamp(min=1e-12)
        return -(missing**gamma) * right if gamma else -right

    return losses


def adjusted(offsets: Tensor) -> OfLabels:
    """-log softmax(s + offsets)_y, with offsets ``[labels]``."""

    def losses(log_probs: Tensor, truth: Tensor) -> Tensor:
        return -right_of((log_probs + offsets.to(log_probs.device)).log_softmax(-1), truth)

    return losses


def log_prior(counts: Mapping[str, int], labels: merc.LabelSpace) -> Tensor:
    """The log of each label's share ``[labels]``; a label that does not occur counts as one that occurs once.

    >>> log_prior({"joy": 2, "anger": 1}, merc.LabelSpace(("joy", "anger", "fear"))).exp()
    tensor([0.5000, 0.2500, 0.2500])
    """
    numbers = torch.tensor([float(max(1, counts.get(label, 0))) for label in labels.labels])
    return (numbers / numbers.sum()).log()


def smoothed(epsilon: float) -> OfLabels:
    """-(1 - ε) log p_y - ε / K Σ_k log p_k over the labels that were asked."""

    def losses(log_probs: Tensor, truth: Tensor) -> Tensor:
        possible = log_probs.isfinite()
        mean = log_probs.masked_fill(~possible, 0.0).sum(-1) / possible.sum(-1)
        return -(1 - epsilon) * right_of(log_probs, truth) - epsilon * mean

    return losses


def effective_number_weights(counts: Mapping[str, int], labels: merc.LabelSpace, beta: float) -> Tensor:
    """(1 - β) / (1 - β^n) of each label ``[labels]``, scaled to a mean of 1 over those that occur. A label that does
    not occur, though a later epoch may draw it, weighs as one that occurs once.

    >>> effective_number_weights({"joy": 2, "anger": 1}, merc.LabelSpace(("joy", "anger", "fear")), 0.5)
    tensor([0.8000, 1.2000, 1.2000])
    """
    numbers = torch.tensor([counts.get(label, 0) for label in labels.labels])
    raw = (1 - beta) / (1 - beta ** numbers.clamp(min=1))
    return raw / raw[numbers > 0].mean()


class RDropFunction(OverLabels):
    """Two passes that differ by dropout, each learned from and held together."""

    def __init__(self, context: merc.LossContext, alpha: float) -> None:
        super().__init__(context, "r-drop")
        self.alpha = alpha

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.path_log_probs is not None and outputs.second_path_log_probs is not None
        p, truth, labelled = self.over(batch, outputs.path_log_probs)
        q, _, _ = self.over(batch, outputs.second_path_log_probs)
        losses = -right_of(p, truth) - right_of(q, truth) + self.alpha / 2 * symmetric_kl(p, q)
        return spread(batch, losses, labelled, outputs.path_log_probs + outputs.second_path_log_probs)


def symmetric_kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p‖q) + KL(q‖p) = Σ (p - q) (log p - log q) of log-probabilities ``[prompts, labels]``."""
    possible = p.isfinite()
    p, q = p.masked_fill(~possible, -100.0), q.masked_fill(~possible, -100.0)
    return ((p.exp() - q.exp()) * (p - q)).sum(-1)


class TemporalFunction(OverLabels):
    """The squared distance of label probabilities from one utterance to the next."""

    def __init__(self, context: merc.LossContext) -> None:
        super().__init__(context, "temporal")
        self.say, self.warned = context.say, False
        self.following: set[tuple[Target, Target]] = set()

    def begin(self, batches: Sequence[merc.Batch]) -> None:
        """See which utterances of the step follow each other. Say once where pairs are computed apart, and so are not
        compared, and where there are none."""
        every = {target for batch in batches for target in targets_of(batch)}
        order = sorted(every)
        self.following = {(one, two) for one, two in itertools.pairwise(order) if one[:3] == two[:3]}
        apart = len(self.following) - sum(len(self.pairs(batch)) for batch in batches)
        if apart > 0 and not self.warned:
            self.warned = True
            self.say(
                f"loss 'temporal': {apart} of {len(self.following)} pairs of a step are computed in two passes and do "
                "not count; raise trainer.batch_tokens to have each conversation in one"
            )
        elif not self.following and not self.warned:
            self.warned = True
            self.say("loss 'temporal': a step asks about no two utterances of one conversation, so nothing is compared")

    def pairs(self, batch: merc.Batch) -> list[tuple[int, int]]:
        """Prompts of a batch whose utterances follow each other: the places of the earlier and the later one."""
        places = targets_of(batch)
        return [(places[one], places[two]) for one, two in sorted(self.following) if one in places and two in places]

    def counts(self, batch: merc.Batch) -> Tensor:
        """1 for an utterance that is compared with the one before it, else 0 ``[prompts]``."""
        return counted(batch, (late for _, late in self.pairs(batch)))

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``, each at the later utterance of a pair."""
        assert outputs.path_log_probs is not None
        compared = torch.tensor(self.pairs(batch), dtype=torch.long, device=batch.path_prompt.device).reshape(-1, 2)
        log_probs, _, labelled = self.over(batch, outputs.path_log_probs)
        row = torch.zeros(len(batch.queries), dtype=torch.long, device=labelled.device)
        row[labelled] = torch.arange(len(labelled), device=labelled.device)
        early, late = (log_probs.exp()[row[places]] for places in (compared[:, 0], compared[:, 1]))
        return spread(batch, (late - early).square().sum(-1), compared[:, 1], outputs.path_log_probs)


Target = tuple[str, str, int, int]
"""Who is asked about: conversation, its first utterance (segments have one each), how many times the utterance was
asked about before, and its index."""


def targets_of(batch: merc.Batch) -> dict[Target, int]:
    """The prompts of a batch that ask for a label, and their places."""
    places: dict[Target, int] = {}
    for place, (query, truth) in enumerate(zip(batch.queries, batch.truth.tolist(), strict=True)):
        (talk, first, index), times = whom(query), 0
        while (target := (talk, first, times, index)) in places:
            times += 1
        if truth >= 0:
            places[target] = place
    return places


def whom(query: merc.Query) -> tuple[str, str, int]:
    """Whom a query asks about: conversation, its first utterance (segments have one each), and index."""
    return *query.segment, query.index


class RationaleFunction(nn.Module):
    """The negative log-likelihood of answers that are texts."""

    def __init__(self, average: str) -> None:
        super().__init__()
        self.average = average

    def counts(self, batch: merc.Batch) -> Tensor:
        """1 for a prompt whose answer is a text, or its number of tokens; 0 for a label ``[prompts]``."""
        is_text = (batch.truth < 0).float()
        return is_text * batch.at_right_answer(batch.path_length) if self.average == "tokens" else is_text

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.path_log_probs is not None
        return torch.where(batch.truth < 0, -batch.at_right_answer(outputs.path_log_probs), 0.0)
