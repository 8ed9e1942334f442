"""What fusers do with streams of different lengths, some of them missing."""

from __future__ import annotations

import torch
from torch import Tensor

from merc import Stream


def present(stream: Stream) -> Tensor:
    """Which rows have the modality, ``[batch, 1, 1]`` bool."""
    return stream.mask.any(1)[:, None, None]


def cleaned(stream: Stream) -> Tensor:
    """The values with zeros at masked places, where anything may stand: NaN times zero would be NaN."""
    return stream.values.masked_fill(~stream.mask.unsqueeze(-1), 0.0)


def mean(stream: Stream) -> Tensor:
    """The mean of each row's real tokens, ``[batch, dim]``; zeros for a row without any."""
    return cleaned(stream).sum(1) / stream.mask.sum(1, keepdim=True).clamp(min=1)


def shares(mask: Tensor, tokens: int) -> Tensor:
    """What each real token gives to each of ``tokens`` means, ``[batch, tokens, length]``: adaptive average pooling.

    Of ``n`` real tokens the i-th mean takes those from ``floor(i n / tokens)`` to before ``ceil((i + 1) n / tokens)``,
    as ``torch.nn.AdaptiveAvgPool1d`` does, but by each row's own ``n``. One token is so repeated ``tokens`` times.

    >>> shares(torch.tensor([[True, True, True, False]]), 2).tolist()
    [[[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]]]
    """
    place = (mask.cumsum(1) - 1).unsqueeze(1)
    count = mask.sum(1).view(-1, 1, 1)
    step = torch.arange(tokens, device=mask.device).view(1, -1, 1)
    first, behind = step * count // tokens, ((step + 1) * count + tokens - 1) // tokens
    return ((place >= first) & (place < behind) & mask.unsqueeze(1)) / (behind - first).clamp(min=1)
