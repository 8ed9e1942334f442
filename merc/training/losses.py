"""Losses over the answers of a batch of trees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from merc.conversation import LabelSpace
from merc.model.batch import TreeBatch
from merc.prompting import label_scores


def prompt_losses(
    log_probabilities: Tensor, batch: TreeBatch, kind: Literal["answer", "labels"], labels: int
) -> Tensor:
    """The loss of each prompt ``[prompts]``, from the log-probability of each answer path ``[paths]``.

    ``answer``: the negative log-likelihood of the right answer, summed over its tokens. ``labels``: the cross-entropy
    of the right label among all labels, each scored as in prediction by the log of the sum over its words; a prompt
    whose answer is a text of its own has no labels to compare and keeps the first kind.
    """
    compared = batch.path_label >= 0 if kind == "labels" else torch.zeros_like(batch.path_gold)
    losses = torch.zeros(len(batch.prompts), device=log_probabilities.device)
    learned = batch.path_gold & ~compared
    losses = losses.index_add(0, batch.path_prompt[learned], -log_probabilities[learned])
    if not bool(compared.any()):
        return losses
    prompts, row = torch.unique(batch.path_prompt[compared], return_inverse=True)
    scores = label_scores(
        log_probabilities[compared],
        batch.path_length[compared],
        row,
        batch.path_label[compared],
        (len(prompts), labels),
        "none",
    )
    truth = _of_right_answers(batch, batch.path_label)[prompts]
    return losses.index_add(0, prompts, torch.nn.functional.cross_entropy(scores, truth, reduction="none"))


def class_weights(batch: TreeBatch, classes: Tensor) -> Tensor:
    """The weight of each prompt's right label ``[prompts]``; 1 for an answer that is no label."""
    label = _of_right_answers(batch, batch.path_label)
    weights = classes.to(label.device)[label.clamp(min=0)]
    return torch.where(label >= 0, weights, torch.ones_like(weights))


def answer_weight(batch: TreeBatch, average: Literal["utterances", "tokens"], classes: Tensor | None) -> float:
    """What a sum of losses is divided by: the answers, or their tokens, each times its own or its label's weight."""
    tokens = batch.path_length
    if batch.step_weight is not None:
        tokens = torch.zeros(len(tokens)).index_add(0, batch.step_path, batch.step_weight)
    counts = _of_right_answers(batch, tokens) if average == "tokens" else torch.ones(len(batch.prompts))
    return float((counts if classes is None else counts * class_weights(batch, classes)).sum())


def balanced_weights(truths: Iterable[str], labels: LabelSpace) -> Tensor:
    """Weights ``[labels]`` that make every label count alike: n / (labels that occur · n of the label).

    A label that the train split never has weighs 0; its loss never occurs.

    >>> balanced_weights(["joy", "joy", "joy", "anger"], LabelSpace(("joy", "anger"))).tolist()
    [0.6666666865348816, 2.0]
    """
    counts = Counter(truths)
    total, present = sum(counts.values()), len(counts)
    return torch.tensor([total / (present * counts[name]) if counts[name] else 0.0 for name in labels.labels])


def balanced_token_weights(answers: Iterable[Sequence[int]]) -> Tensor:
    """Weights ``[highest token + 1]`` that make every token of these answers count alike: n / (tokens that occur · n of
    the token). Others weigh 1.

    >>> balanced_token_weights([(1,), (1,), (2, 1)]).tolist()
    [1.0, 0.6666666865348816, 2.0]
    """
    counts = Counter(token for tokens in answers for token in tokens)
    weights = torch.ones(max(counts, default=-1) + 1)
    for token, count in counts.items():
        weights[token] = counts.total() / (len(counts) * count)
    return weights


def weigh_tokens(batch: TreeBatch, weights: Tensor) -> TreeBatch:
    """The batch with a weight for every token of a label's answer; what is no label counts 1."""
    known = (batch.path_label[batch.step_path] >= 0) & (batch.step_token < len(weights))
    ones = torch.ones(len(batch.step_token))
    return replace(batch, step_weight=torch.where(known, weights[batch.step_token.clamp(max=len(weights) - 1)], ones))


def _of_right_answers(batch: TreeBatch, values: Tensor) -> Tensor:
    """A value of each path ``[paths]``, taken at each prompt's right answer ``[prompts]``; of a label with several
    words at the first, which is the one that is learned."""
    right = batch.path_gold.nonzero().flatten()
    first = torch.full((len(batch.prompts),), len(values), device=values.device)
    return values[first.scatter_reduce(0, batch.path_prompt[right], right, "amin")]
