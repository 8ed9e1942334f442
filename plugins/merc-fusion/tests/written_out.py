"""Small pieces of equations, on plain vectors, and batches to try modules on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from merc import Stream
from merc.testing.streams import stream

DIMS = {"audio": 5, "image": 6, "video": 4}
COUNTS = {"audio": (5, 4, 0, 2, 0), "image": (1, 0, 1, 7, 0), "video": (4, 2, 3, 0, 0)}
"""The last utterance has nothing, and the three before it lack a modality each."""
SPEAKERS = (0, 1, 0, -1, 1)


def random_module(build: Callable[[], nn.Module]) -> nn.Module:
    """A module in float64 and evaluation mode, all of whose parameters are random, those too that begin as zeros."""
    torch.manual_seed(0)
    module = build().double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return module


def batch(counts: Mapping[str, Sequence[int]] = COUNTS) -> dict[str, Stream]:
    """Streams in float64, with what would spoil everything at masked places."""
    made = {name: stream(counts[name], DIMS[name], seed, 1, math.nan) for seed, name in enumerate(counts)}
    return {name: Stream(one.values.double(), one.mask) for name, one in made.items()}


def rows(streams: Mapping[str, Stream], row: int) -> dict[str, Tensor]:
    """The real tokens ``[tokens, dim]`` of an utterance, by stream."""
    return {name: one.values[row][one.mask[row]] for name, one in streams.items()}


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + (-x).exp())


def norm(x: Tensor, layer: nn.LayerNorm) -> Tensor:
    """A vector with mean 0 and variance 1, then scaled and moved."""
    return (x - x.mean()) / torch.sqrt(x.var(unbiased=False) + layer.eps) * layer.weight + layer.bias


def gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def affine(x: Tensor, layer: nn.Linear) -> Tensor:
    moved = layer.weight @ x
    return moved if layer.bias is None else moved + layer.bias


def weighted(scores: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor:
    """The sum of vectors by the softmax of their scores."""
    exps = [score.exp() for score in scores]
    return sum(e * v for e, v in zip(exps, values, strict=True)) / sum(exps)  # type: ignore[return-value]


def pooled(x: Tensor, count: int) -> list[Tensor]:
    """The mean of each of ``count`` stretches of a sequence."""
    n = len(x)
    return [x[math.floor(i * n / count) : math.ceil((i + 1) * n / count)].mean(0) for i in range(count)]


def place(i: int, width: int) -> Tensor:
    """The sines and cosines of place ``i``."""
    made = []
    for pair in range((width + 1) // 2):
        angle = i / 10_000 ** (2 * pair / width)
        made += [math.sin(angle), math.cos(angle)]
    return torch.tensor(made[:width], dtype=torch.double)


def attention(
    queries: Sequence[Tensor],
    media: Sequence[Tensor],
    maps: tuple[nn.Module, ...],
    heads: int,
    bias: Tensor | None = None,
) -> list[Tensor]:
    """Equation 16 with several heads: softmax(Q K^T / sqrt(d_k)) V, the heads side by side, then a linear layer.
    ``maps`` are of queries, keys, values and what goes out; ``bias`` ``[heads, queries, media]`` is added to scores."""
    ask, key, value, out = maps
    made = []
    for number, query in enumerate(queries):
        q = affine(query, ask).chunk(heads)
        k = [affine(one, key).chunk(heads) for one in media]
        v = [affine(one, value).chunk(heads) for one in media]
        parts = []
        for head in range(heads):
            scores = [q[head] @ one[head] / math.sqrt(len(q[head])) for one in k]
            if bias is not None:
                scores = [score + bias[head, number, at] for at, score in enumerate(scores)]
            parts.append(weighted(scores, [one[head] for one in v]))
        made.append(affine(torch.cat(parts), out))
    return made


def maps_of(module: nn.MultiheadAttention) -> tuple[nn.Module, ...]:
    """The four linear layers that torch's attention keeps in two."""
    made = []
    for weight, bias in zip(module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3), strict=True):
        layer = nn.Linear(weight.shape[1], weight.shape[0]).double()
        layer.weight, layer.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
        made.append(layer)
    return (*made, module.out_proj)


def fused(operator: nn.Module, parts: Sequence[Tensor | None]) -> Tensor:
    """Equation 10: phi of the operator over one vector a modality, None for a missing one."""
    z = [operator.absent[m] if part is None else part for m, part in enumerate(parts)]
    if operator.kind == "concat":
        joined = torch.cat(z)
    else:
        if operator.kind == "tensor":
            z = [torch.cat([one, torch.ones(1, dtype=torch.double)]) for one in z]
        joined = z[0]
        for one in z[1:]:
            joined = torch.stack([a * b for a in joined for b in one])
    return torch.tanh(affine(joined, operator.layer))
