"""Convolution over each modality's features, and fusion of what comes of them (equations 8 to 10)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from merc import Stream
from merc_fusion.nets.operators import Operator
from merc_fusion.nets.streams import steps, there


class FeatureLevel(nn.Module):
    """``Z`` of each modality from its mean by a linear layer, then equation 10."""

    def __init__(self, dims: Mapping[str, int], width: int, fusion: Operator) -> None:
        super().__init__()
        self.streams = nn.ModuleDict({name: nn.Linear(dim, width) for name, dim in dims.items()})
        self.fusion = fusion

    def forward(self, streams: Mapping[str, Stream]) -> Stream:
        """``[rows, 1, out]``."""
        here = there(streams, self.streams)
        parts = torch.stack([layer(streams[name].mean()) for name, layer in self.streams.items()], 1)
        return Stream(self.fusion(parts, here).unsqueeze(1), here.any(1, keepdim=True))


class Cnn(nn.Module):
    """Equations 8 (``convolutions``), 9 (``projections``) and 10 (``fusion``)."""

    def __init__(
        self, dims: Mapping[str, int], length: int, kernel: tuple[int, int], channels: int, fusion: Operator
    ) -> None:
        super().__init__()
        self.length = length
        width = fusion.absent.shape[1]
        high, wide = kernel
        self.convolutions = nn.ModuleDict({name: nn.Conv2d(1, channels, kernel) for name in dims})
        self.projections = nn.ModuleDict(
            {
                name: nn.Linear(channels * (length - high + 1) * (dim - wide + 1), width, bias=False)
                for name, dim in dims.items()
            }
        )
        self.fusion = fusion

    def forward(self, streams: Mapping[str, Stream]) -> Stream:
        """``[rows, 1, out]``."""
        here = there(streams, self.convolutions)
        parts = []
        for name, convolution in self.convolutions.items():
            features = steps(streams[name], self.length).unsqueeze(1)
            parts.append(self.projections[name](convolution(features).relu().flatten(1)))
        return Stream(self.fusion(torch.stack(parts, 1), here).unsqueeze(1), here.any(1, keepdim=True))
