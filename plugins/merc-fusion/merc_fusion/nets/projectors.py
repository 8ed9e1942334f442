"""Connectors without queries: a gate over projectors, prompt tokens that media move, and means at several scales."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from merc import Stream
from merc_fusion.nets.queries import scaled


class ProjectorGate(nn.Module):
    """Several projectors of the same features, summed by learned coefficients."""

    def __init__(self, dim: int, hidden: int, projectors: int, gate: str, init_scale: float) -> None:
        super().__init__()
        self.projectors = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), scaled(nn.Linear(hidden, hidden), init_scale))
            for _ in range(projectors)
        )
        if gate == "free":
            self.coefficients = nn.Parameter(torch.full((projectors,), 1 / projectors))
        else:
            self.gate = nn.Linear(dim, projectors)

    def weights(self, stream: Stream) -> Tensor:
        """The coefficients of each row, ``[batch, projectors]``."""
        if hasattr(self, "gate"):
            return self.gate(stream.mean()).softmax(-1)
        return self.coefficients.expand(len(stream.mask), -1)

    def forward(self, stream: Stream) -> Stream:
        """``[batch, tokens, hidden]``."""
        values = stream.zeroed()
        projected = torch.stack([projector(values) for projector in self.projectors], 1)
        return Stream((self.weights(stream)[:, :, None, None] * projected).sum(1), stream.mask)


class ConditionedPrompt(nn.Module):
    """Learned prompt vectors, moved by what a small network makes of the mean of an utterance's features."""

    def __init__(self, dim: int, hidden: int, length: int, width: int, deviation: float) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(length, hidden) * deviation)
        self.network = nn.Sequential(nn.Linear(dim, width), nn.ReLU(), nn.Linear(width, length * hidden))
        nn.init.normal_(self.network[2].weight, std=deviation)
        nn.init.zeros_(self.network[2].bias)

    def forward(self, stream: Stream) -> Stream:
        """``[batch, length, hidden]``."""
        moves = self.network(stream.mean()).unflatten(-1, self.vectors.shape)
        return Stream(self.vectors + moves, stream.present()[:, None].expand(-1, len(self.vectors)))


class MultiScale(nn.Module):
    """Means of the tokens over the whole, over halves, over quarters, ..., each scale with a vector of its own."""

    def __init__(self, dim: int, hidden: int, scales: Sequence[int], init_scale: float) -> None:
        super().__init__()
        self.scales = tuple(scales)
        self.layer = scaled(nn.Linear(dim, hidden), init_scale)
        self.scale = nn.Parameter(torch.zeros(len(self.scales), hidden))

    def forward(self, stream: Stream) -> Stream:
        """``[batch, sum of scales, hidden]``, the coarsest first."""
        values = stream.zeroed()
        means = torch.cat([stream.shares(count) @ values for count in self.scales], 1)
        which = torch.repeat_interleave(torch.arange(len(self.scales)), torch.tensor(self.scales)).to(values.device)
        tokens = self.layer(means) + self.scale[which]
        return Stream(tokens, stream.present()[:, None].expand(-1, tokens.shape[1]))
