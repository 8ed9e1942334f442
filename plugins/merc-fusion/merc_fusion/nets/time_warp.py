"""Streams brought to one time by warping functions that learn (section 7.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from merc import Stream
from merc_fusion.nets.operators import Operator
from merc_fusion.nets.streams import softmax, there


class Warp(nn.Module):
    """When each token of a stream takes place on the common time from 0 to 1, and the stream at regular times."""

    def __init__(self, dim: int, length: int) -> None:
        super().__init__()
        self.length = length
        self.rate = nn.Linear(dim, 1)
        nn.init.zeros_(self.rate.weight)  # all tokens take equally long at first: time is not warped
        nn.init.zeros_(self.rate.bias)
        self.log_width = nn.Parameter(torch.tensor(math.log(0.5 / length)))

    def times(self, stream: Stream) -> Tensor:
        """The middle of each token's time, ``[rows, tokens]``, rising along the real ones."""
        lasts = softplus(self.rate(stream.zeroed()).squeeze(-1)) * stream.mask
        return (lasts.cumsum(1) - lasts / 2) / lasts.sum(1, keepdim=True).clamp(min=1e-6)

    def forward(self, stream: Stream) -> Tensor:
        """The stream at ``length`` times, ``[rows, length, dim]``."""
        times = self.times(stream)
        grid = (torch.arange(self.length, device=times.device, dtype=times.dtype) + 0.5) / self.length
        away = (grid[:, None] - times.unsqueeze(1)) / self.log_width.exp()
        return softmax(-away.square() / 2, stream.mask.unsqueeze(1)) @ stream.zeroed()


class TimeWarp(nn.Module):
    """Each stream warped, then fused at each time."""

    def __init__(self, dims: Mapping[str, int], length: int, fusion: Operator) -> None:
        super().__init__()
        width = fusion.absent.shape[1]
        self.warps = nn.ModuleDict({name: Warp(dim, length) for name, dim in dims.items()})
        self.streams = nn.ModuleDict({name: nn.Linear(dim, width) for name, dim in dims.items()})
        self.fusion = fusion

    def forward(self, streams: Mapping[str, Stream]) -> Stream:
        """``[rows, length, out]``."""
        here = there(streams, self.streams)
        parts = torch.stack([layer(self.warps[name](streams[name])) for name, layer in self.streams.items()], 2)
        everywhere = here.unsqueeze(1).expand(-1, parts.shape[1], -1)
        return Stream(self.fusion(parts, everywhere), everywhere.any(-1))
