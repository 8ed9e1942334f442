"""Attention between modalities (equations 15 to 18)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from merc import Stream
from merc_fusion.nets.operators import Operator
from merc_fusion.nets.streams import sinusoids, softmax, steps, there


class CrossModalAttention(nn.Module):
    """Each modality within itself (equation 16), then from each to all (15 and 17), then fused (18)."""

    def __init__(self, dims: Mapping[str, int], length: int, heads: int, over: str, fusion: Operator) -> None:
        super().__init__()
        self.length, self.over = length, over
        width = fusion.absent.shape[1]
        self.streams = nn.ModuleDict({name: nn.Linear(dim, width) for name, dim in dims.items()})
        self.within = nn.ModuleDict({name: nn.MultiheadAttention(width, heads, batch_first=True) for name in dims})
        self.queries, self.keys, self.values = (
            nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in dims}) for _ in range(3)
        )
        self.fusion = fusion

    def _within(self, name: str, stream: Stream) -> Tensor:
        """A modality with what its own tokens tell each other, at the steps or at its own tokens."""
        at_steps = self.over == "modalities"
        values = self.streams[name](steps(stream, self.length) if at_steps else stream.zeroed())
        places = values + sinusoids(values.shape[1], values.shape[2], values)
        mask = None
        if not at_steps:
            mask = ~stream.mask & stream.mask.any(1, keepdim=True)  # a row without tokens looks at what stands there
        return values + self.within[name](places, places, places, key_padding_mask=mask, need_weights=False)[0]

    def forward(self, streams: Mapping[str, Stream]) -> Stream:
        """``[rows, steps, out]``."""
        here = there(streams, self.streams)
        tokens = {name: self._within(name, streams[name]) for name in self.streams}
        parts = self._over_modalities(tokens, here) if self.over == "modalities" else self._over_tokens(tokens, streams)
        everywhere = here.unsqueeze(1).expand(-1, self.length, -1)
        return Stream(self.fusion(parts, everywhere), everywhere.any(-1))

    def _over_modalities(self, tokens: Mapping[str, Tensor], here: Tensor) -> Tensor:
        """Z ``[rows, steps, modalities, width]``: at each step, a softmax over the modalities."""
        q, k, v = (
            torch.stack([layers[name](x) for name, x in tokens.items()], 2)
            for layers in (self.queries, self.keys, self.values)
        )
        return softmax(q @ k.transpose(-1, -2), here[:, None, None]) @ v

    def _over_tokens(self, tokens: Mapping[str, Tensor], streams: Mapping[str, Stream]) -> Tensor:
        """The same, with a softmax over all tokens of all modalities."""
        k, v = (torch.cat([layers[name](x) for name, x in tokens.items()], 1) for layers in (self.keys, self.values))
        mask = torch.cat([streams[name].mask for name in tokens], 1).unsqueeze(1)
        parts = []
        for name, x in tokens.items():
            q = self.queries[name](streams[name].shares(self.length).to(x.dtype) @ x)
            parts.append(softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, mask) @ v)
        return torch.stack(parts, 2)
