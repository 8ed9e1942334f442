"""Conv-Attention of Emotion-LLaMAv2 (section 4.3, equations 2 to 4), whole or one of its branches."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from merc import Stream


class MLP(nn.Module):
    """Linear layers, each with a ReLU and dropout after it: ``[batch, length, dim]`` to ``[..., widths[-1]]``."""

    def __init__(self, dim: int, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise((dim, *widths)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, means: Tensor | None = None) -> Tensor:
        """``means`` ``[batch, tokens, length]`` brings what goes in to ``tokens`` tokens.

        Means pass through a linear layer unchanged, so they are taken on the side of the first one that has fewer
        tokens: a single token that stands for a whole sequence is not projected once for each of its copies.
        """
        first, *others = self.layers
        if means is None:
            hidden = first(values)
        elif means.shape[2] > means.shape[1]:
            hidden = first(means.to(values.dtype) @ values)
        else:
            hidden = first(values)
            hidden = means.to(hidden.dtype) @ hidden
        hidden = self.dropout(hidden.relu())
        for layer in others:
            hidden = self.dropout(layer(hidden).relu())
        return hidden


class ConvBranch(nn.Module):
    """F_conv of equation 4 from F_d: ``[batch, tokens, channels]`` to ``[batch, tokens, width]``."""

    def __init__(self, channels: int, width: int, blocks: int, kernel: int) -> None:
        super().__init__()
        self.entry = nn.Conv1d(channels, width, 1)
        self.blocks = nn.ModuleList(nn.Conv1d(width, width, kernel, padding=kernel // 2) for _ in range(blocks))

    def forward(self, joined: Tensor) -> Tensor:
        """Every row has the same number of tokens, all real, so no mask is needed."""
        hidden = self.entry(joined.transpose(1, 2))
        for block in self.blocks:
            hidden = hidden + silu(block(hidden))  # "Switch" in the paper: x sigmoid(x)
        return hidden.transpose(1, 2)


class AttentionBranch(nn.Module):
    """F_attn of equation 3 from F_d: ``[batch, tokens, streams * width]`` to ``[batch, tokens, width]``."""

    def __init__(self, streams: int, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.shape = (streams, widths[-1])
        self.mlp = MLP(streams * widths[-1], widths, dropout)
        self.weights = nn.Linear(widths[-1], streams)

    def forward(self, joined: Tensor) -> Tensor:
        """The sum of the streams at each place, each by its weight there. F_s is F_d in another view."""
        stacked = joined.unflatten(-1, self.shape)
        return (self.weights(self.mlp(joined)).unsqueeze(-1) * stacked).sum(-2)


class ConvAttention(nn.Module):
    """Streams to one stream of ``tokens`` tokens through one branch or the sum of both.

    A missing modality stands in F_d and F_s as zeros, so it adds nothing to F_attn whatever its weight.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        tokens: int,
        widths: Sequence[int],
        dropout: float,
        branches: Mapping[str, nn.Module],
        out: int | None,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.streams = nn.ModuleDict({name: MLP(dim, widths, dropout) for name, dim in dims.items()})
        self.branches = nn.ModuleDict(branches)
        self.out = nn.Identity() if out is None else nn.Linear(widths[-1], out)

    def _hidden(self, name: str, stream: Stream) -> Tensor:
        mask = stream.mask
        # Each row has as many tokens as are wanted, or none: nothing to average.
        ready = mask.shape[1] == self.tokens and bool((mask == mask[:, :1]).all())
        hidden = self.streams[name](stream.zeroed(), None if ready else stream.shares(self.tokens))
        return hidden.masked_fill(~stream.present()[:, None, None], 0.0)

    def forward(self, streams: Mapping[str, Stream]) -> Stream:
        """A row that has any modality has ``tokens`` real tokens."""
        joined = torch.cat([self._hidden(name, streams[name]) for name in self.streams], -1)
        fused = sum(branch(joined) for branch in self.branches.values())
        there = torch.stack([streams[name].mask.any(1) for name in self.streams]).any(0)
        return Stream(self.out(fused), there[:, None].expand(-1, self.tokens))
