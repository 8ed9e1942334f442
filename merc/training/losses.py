"""Losses over the answers of a batch of trees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor

from merc.conversation import LabelSpace
from merc.model.batch import TreeBatch
from merc.prompting import EncodedPrompt, label_scores


def answer_losses(log_probabilities: Tensor, batch: TreeBatch) -> Tensor:
    """Negative log-likelihood of each prompt's right answer ``[prompts]``, summed over the answer's tokens."""
    gold = batch.path_gold
    losses = torch.zeros(len(batch.prompts), device=log_probabilities.device)
    return losses.index_add(0, batch.path_prompt[gold], -log_probabilities[gold])


def label_losses(log_probabilities: Tensor, batch: TreeBatch, labels: int) -> Tensor:
    """Cross-entropy of each prompt's label ``[prompts]`` among all labels, scored as in prediction.

    Every word of every label hangs on the prompts; a label's score is the log of the sum over its words.
    """
    scores = label_scores(
        log_probabilities, batch.path_length, batch.path_prompt, batch.path_label, (len(batch.prompts), labels), "none"
    )
    truth = torch.full((len(batch.prompts),), -1, device=scores.device)
    truth[batch.path_prompt[batch.path_gold]] = batch.path_label[batch.path_gold]
    return torch.nn.functional.cross_entropy(scores, truth, reduction="none")


def class_weights(prompts: Iterable[EncodedPrompt], classes: Tensor) -> Tensor:
    """The weight of each prompt's right label ``[prompts]``; 1 for an answer that is no label."""
    gold = [next(a for a in p.answers if a.gold) for p in prompts]
    return torch.tensor([float(classes[a.label]) if a.label >= 0 else 1.0 for a in gold])


def answer_weight(prompts: Iterable[EncodedPrompt], average: str, classes: Tensor | None) -> float:
    """What a sum of losses is divided by: the answers, or their tokens, each times its label's weight."""
    chosen = list(prompts)
    weights = class_weights(chosen, classes).tolist() if classes is not None else [1.0] * len(chosen)
    if average == "utterances":
        return float(sum(weights))
    lengths = [len(next(a for a in p.answers if a.gold).tokens) for p in chosen]
    return float(sum(w * n for w, n in zip(weights, lengths, strict=True)))


def balanced_weights(truths: Iterable[str], labels: LabelSpace) -> Tensor:
    """Weights ``[labels]`` that make every label count alike: n / (labels that occur · n of the label).

    A label that the train split never has weighs 0; its loss never occurs.

    >>> balanced_weights(["joy", "joy", "joy", "anger"], LabelSpace(("joy", "anger"))).tolist()
    [0.6666666865348816, 2.0]
    """
    counts = Counter(truths)
    total, present = sum(counts.values()), len(counts)
    return torch.tensor([total / (present * counts[name]) if counts[name] else 0.0 for name in labels.labels])
