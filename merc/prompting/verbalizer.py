"""From the log-probabilities of words to probabilities of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Normalize = Literal["none", "tokens"]


def label_scores(
    log_probabilities: Tensor,
    lengths: Tensor,
    prompt: Tensor,
    label: Tensor,
    shape: tuple[int, int],
    normalize: Normalize,
) -> Tensor:
    """Scores ``[prompts, labels]`` from the log-probability of each answer path ``[paths]``.

    ``prompt`` and ``label`` say whose path it is. ``normalize: tokens`` divides a path's log-probability by its number
    of tokens. A label's score is the log of the sum over its words (synonyms); a softmax over labels turns scores into
    probabilities.
    """
    import torch

    scores = log_probabilities / lengths if normalize == "tokens" else log_probabilities
    flat = prompt * shape[1] + label
    # logsumexp by group: shift by each group's maximum, which has no gradient of its own.
    top = torch.full((shape[0] * shape[1],), -torch.inf, device=scores.device, dtype=scores.dtype)
    top = top.scatter_reduce(0, flat, scores.detach(), "amax")
    total = torch.zeros_like(top).index_add(0, flat, torch.exp(scores - top[flat]))
    return (total.log() + top).view(shape)
