"""Learned queries over the tokens of a stream: BLIP-2's Q-Former and Flamingo's Perceiver Resampler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from merc import Stream
from merc_fusion.nets.streams import sinusoids


def scaled(layer: nn.Linear, scale: float) -> nn.Linear:
    """The layer, its first weights and bias multiplied in place."""
    with torch.no_grad():
        layer.weight.mul_(scale)
        layer.bias.mul_(scale)
    return layer


class Queries(nn.Module):
    """What both share: tokens brought to ``width`` with their places, as many tokens out as there are queries."""

    def __init__(self, dim: int, width: int, hidden: int, queries: int, init_scale: float) -> None:
        super().__init__()
        self.enter = nn.Linear(dim, width)
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(queries, width) * 0.02)
        self.out = scaled(nn.Linear(width, hidden), init_scale)

    def attend(self, queries: Tensor, media: Tensor, mask: Tensor) -> Tensor:
        """Queries ``[batch, queries, width]`` that have looked at media ``[batch, tokens, width]``."""
        raise NotImplementedError

    def forward(self, stream: Stream) -> Stream:
        """``[batch, queries, hidden]``."""
        values, mask = stream.zeroed(), stream.mask
        if not mask.shape[1]:
            values, mask = pad(values, (0, 0, 0, 1)), pad(mask, (0, 1))
        media = self.norm(self.enter(values))
        media = media + sinusoids(media.shape[1], media.shape[2], media)
        present = mask.any(1, keepdim=True)
        # A softmax over nothing is NaN: a row without any token looks at what stands there, and its result is masked.
        queries = self.attend(self.queries.expand(len(mask), -1, -1), media, mask | ~present)
        return Stream(self.out(queries), present.expand(-1, queries.shape[1]))


class QFormer(Queries):
    """BLIP-2's Q-Former as transformers has it, without its text."""

    def __init__(self, dim: int, hidden: int, queries: int, init_scale: float, config: Mapping[str, Any]) -> None:
        super().__init__(dim, config["hidden_size"], hidden, queries, init_scale)
        self.network = Blip2QFormerModel(Blip2QFormerConfig(**config, encoder_hidden_size=config["hidden_size"]))

    def attend(self, queries: Tensor, media: Tensor, mask: Tensor) -> Tensor:
        """The queries' last states."""
        seen = self.network(query_embeds=queries, encoder_hidden_states=media, encoder_attention_mask=mask.long())
        return seen.last_hidden_state


class Heads(nn.Module):
    """Attention with several heads of ``head`` numbers each, from ``width`` numbers per token to ``width``, no bias."""

    def __init__(self, width: int, heads: int, head: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, heads * head, bias=False) for _ in range(3))
        self.out = nn.Linear(heads * head, width, bias=False)

    def forward(self, queries: Tensor, media: Tensor, mask: Tensor) -> Tensor:
        """``queries`` ``[batch, length, width]``, ``media`` ``[batch or 1, tokens, width]``; ``mask``, which broadcasts
        to ``[batch, heads, length, tokens]``: bool, or what is added to the scores."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(queries), self.key(media), self.value(media))
        )
        k, v = (part.expand(len(q), -1, -1, -1) for part in (k, v))
        if mask.dtype != torch.bool:
            mask = mask.to(q.dtype)
        return self.out(scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2))


class FeedForward(nn.Sequential):
    """Flamingo's feed-forward part: a norm, four times the width, GELU, and back."""

    def __init__(self, width: int) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width, bias=False),
            nn.GELU(),
            nn.Linear(4 * width, width, bias=False),
        )


class ResamplerLayer(nn.Module):
    """Attention of queries to media and to themselves at once, and a feed-forward part."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.media_norm, self.query_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Heads(width, heads, width // heads)
        self.feed_forward = FeedForward(width)

    def forward(self, queries: Tensor, media: Tensor, mask: Tensor) -> Tensor:
        """``mask`` ``[batch, 1, 1, tokens + queries]`` bool."""
        normed = self.query_norm(queries)
        queries = queries + self.attention(normed, torch.cat([self.media_norm(media), normed], 1), mask)
        return queries + self.feed_forward(queries)


class Resampler(Queries):
    """Flamingo's Perceiver Resampler: queries that look at the media and at each other, layer by layer. ``sizes`` are
    the numbers per token of the features, of the resampler and of what goes out."""

    def __init__(self, sizes: tuple[int, int, int], queries: int, layers: int, heads: int, init_scale: float) -> None:
        dim, width, hidden = sizes
        super().__init__(dim, width, hidden, queries, init_scale)
        self.layers = nn.ModuleList(ResamplerLayer(width, heads) for _ in range(layers))
        self.last = nn.LayerNorm(width)

    def attend(self, queries: Tensor, media: Tensor, mask: Tensor) -> Tensor:
        """The queries' last states."""
        seen = pad(mask, (0, queries.shape[1]), value=True)[:, None, None]
        for layer in self.layers:
            queries = layer(queries, media, seen)
        return self.last(queries)
