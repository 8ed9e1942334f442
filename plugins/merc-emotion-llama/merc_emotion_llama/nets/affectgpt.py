"""The two pre-fusions of AffectGPT (Lian et al., 2025): attention over means, and a Q-Former over all tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from merc import Stream


class MeanAttention(nn.Module):
    """One vector an utterance: the means of the streams, projected to ``width``, summed by learned weights."""

    def __init__(self, dims: Mapping[str, int], width: int, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.streams = nn.ModuleDict({name: nn.Linear(dim, width) for name, dim in dims.items()})
        self.mlp = nn.Linear(len(dims) * width, width)
        self.weights = nn.Linear(width, len(dims))

    def forward(self, streams: Mapping[str, Stream]) -> Stream:
        """The vector, ``tokens`` times."""
        there = torch.stack([streams[name].mask.any(1) for name in self.streams], 1)
        parts = [layer(streams[name].mean()) for name, layer in self.streams.items()]
        stacked = torch.stack(parts, 1).masked_fill(~there.unsqueeze(-1), 0.0)
        weights = self.weights(self.mlp(stacked.flatten(1)))
        fused = (weights.unsqueeze(-1) * stacked).sum(1, keepdim=True)
        return Stream(fused.expand(-1, self.tokens, -1), there.any(1, keepdim=True).expand(-1, self.tokens))


def sinusoids(length: int, width: int, like: Tensor) -> Tensor:
    """Sines and cosines that say which token of its stream a token is, ``[length, width]``."""
    step = -math.log(10_000.0) / width
    angle = torch.arange(length, device=like.device)[:, None] * torch.exp(
        step * torch.arange(0, width, 2, device=like.device)
    )
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(1).to(like.dtype)


class QFormer(nn.Module):
    """Learned queries that attend to each other and then to the tokens of all streams, layer by layer."""

    def __init__(
        self, dims: Mapping[str, int], queries: int, width: int, heads: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.streams = nn.ModuleDict({name: nn.Linear(dim, width) for name, dim in dims.items()})
        self.queries = nn.Parameter(torch.empty(queries, width))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        # BERT's layer with cross-attention is this one: each part's result is added, and then normalised.
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(width, heads, 4 * width, dropout, "gelu", batch_first=True)
            for _ in range(layers)
        )
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.MultiheadAttention):
                nn.init.normal_(module.in_proj_weight, std=0.02)
        nn.init.normal_(self.queries, std=0.02)

    def forward(self, streams: Mapping[str, Stream]) -> Stream:
        """As many tokens as there are queries."""
        projected = []
        for name, layer in self.streams.items():
            hidden = layer(streams[name].zeroed())
            projected.append(hidden + sinusoids(hidden.shape[1], hidden.shape[2], hidden))
        memory = torch.cat(projected, 1)
        mask = torch.cat([streams[name].mask for name in self.streams], 1)
        if not mask.shape[1]:
            memory, mask = pad(memory, (0, 0, 0, 1)), pad(mask, (0, 1))
        there = mask.any(1, keepdim=True)
        # A softmax over nothing is NaN: a row without any token attends to what stands there, and its result is masked.
        hidden = self.dropout(self.norm(self.queries)).expand(len(mask), -1, -1)
        for layer in self.layers:
            hidden = layer(hidden, memory, memory_key_padding_mask=~mask & there)
        return Stream(hidden, there.expand(-1, hidden.shape[1]))
