"""Every fuser against its equations, written out for one utterance and one token at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pytest
import torch
from merc_emotion_llama.fusers import AffectGPTAttention, Attention, Conv, ConvAttention, QFormer
from torch import Tensor

from merc import FeatureSpec, Fuser
from merc.testing.streams import stream

DIMS = {"audio": 5, "image": 6, "video": 4}
COUNTS = {"audio": (9, 4, 0, 2), "image": (1, 0, 1, 7), "video": (4, 2, 3, 0)}
Weights = Mapping[str, Tensor]


def affine(p: Weights, name: str, x: Tensor) -> Tensor:
    return p[f"{name}.weight"] @ x + p[f"{name}.bias"]


def mlp(p: Weights, name: str, x: Tensor) -> Tensor:
    for layer in range(2):
        x = affine(p, f"{name}.layers.{layer}", x).clamp(min=0)
    return x


def brought(x: Tensor, tokens: int) -> list[Tensor]:
    """The mean of each of ``tokens`` stretches of a sequence."""
    n = len(x)
    return [x[math.floor(i * n / tokens) : math.ceil((i + 1) * n / tokens)].mean(0) for i in range(tokens)]


def joined(p: Weights, given: Mapping[str, Tensor], tokens: int, width: int) -> list[list[Tensor]]:
    """MLP(u) of every stream, by token: what equation 2 concatenates and stacks."""
    streams = []
    for name, x in given.items():
        if len(x):
            streams.append([mlp(p, f"streams.{name}", token) for token in brought(x, tokens)])
        else:
            streams.append([torch.zeros(width)] * tokens)
    return [list(place) for place in zip(*streams, strict=True)]


def equation_3(p: Weights, places: list[list[Tensor]]) -> list[Tensor]:
    found = []
    for place in places:
        f_d, f_s = torch.cat(place), torch.stack(place, dim=1)
        weights = affine(p, "branches.attention.weights", mlp(p, "branches.attention.mlp", f_d))
        found.append((f_s @ weights.unsqueeze(-1)).squeeze(-1))
    return found


def equation_4(p: Weights, places: list[list[Tensor]], blocks: int, kernel: int) -> list[Tensor]:
    def conv(name: str, f: list[Tensor], size: int) -> list[Tensor]:
        weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
        found = []
        for t in range(len(f)):
            value = bias
            for k in range(size):
                near = t + k - size // 2
                if 0 <= near < len(f):
                    value = value + weight[:, :, k] @ f[near]
            found.append(value)
        return found

    f = conv("branches.conv.entry", [torch.cat(place) for place in places], 1)
    for block in range(blocks):
        x = conv(f"branches.conv.blocks.{block}", f, kernel)
        f = [a + b * (1 / (1 + torch.exp(-b))) for a, b in zip(f, x, strict=True)]
    return f


def plain_attention(p: Weights, given: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([affine(p, "out", f) for f in equation_3(p, joined(p, given, 4, 6))])


def plain_conv(p: Weights, given: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([affine(p, "out", f) for f in equation_4(p, joined(p, given, 4, 6), 2, 3)])


def plain_sum(p: Weights, given: Mapping[str, Tensor]) -> Tensor:
    places = joined(p, given, 4, 6)
    return torch.stack([a + b for a, b in zip(equation_3(p, places), equation_4(p, places, 3, 5), strict=True)])


def plain_conv_attention(p: Weights, given: Mapping[str, Tensor]) -> Tensor:
    places = joined(p, given, 4, 6)
    both = zip(equation_3(p, places), equation_4(p, places, 2, 3), strict=True)
    return torch.stack([affine(p, "out", a + b) for a, b in both])


def plain_affectgpt(p: Weights, given: Mapping[str, Tensor]) -> Tensor:
    streams = [affine(p, f"streams.{name}", sum(x) / len(x)) if len(x) else torch.zeros(6) for name, x in given.items()]
    weights = affine(p, "weights", affine(p, "mlp", torch.cat(streams)))
    fused = sum(weight * one for weight, one in zip(weights, streams, strict=True))
    return torch.stack([fused, fused])


def plain_q_former(p: Weights, given: Mapping[str, Tensor]) -> Tensor:
    width, heads = 8, 2
    size = width // heads

    def norm(name: str, x: Tensor) -> Tensor:
        x = (x - x.mean()) / torch.sqrt(x.var(unbiased=False) + 1e-5)
        return x * p[f"{name}.weight"] + p[f"{name}.bias"]

    def attend(name: str, query: Tensor, to: Sequence[Tensor]) -> Tensor:
        q, k, v = (
            (p[f"{name}.in_proj_weight"][i * width : (i + 1) * width], p[f"{name}.in_proj_bias"][i * width :][:width])
            for i in range(3)
        )
        found = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            asked = (q[0] @ query + q[1])[part]
            scores = torch.stack([asked @ (k[0] @ x + k[1])[part] / math.sqrt(size) for x in to])
            shares = scores.exp() / scores.exp().sum()
            found.append(sum(share * (v[0] @ x + v[1])[part] for share, x in zip(shares, to, strict=True)))
        return affine(p, f"{name}.out_proj", torch.cat(found))

    memory = []
    for name, x in given.items():
        for place, token in enumerate(x):
            waves = []
            for i in range(0, width, 2):
                angle = place / 10_000 ** (i / width)
                waves += [math.sin(angle), math.cos(angle)]
            memory.append(affine(p, f"streams.{name}", token) + torch.tensor(waves))
    states = [norm("norm", query) for query in p["queries"]]
    for layer in (f"layers.{i}" for i in range(2)):
        states = [norm(f"{layer}.norm1", s + attend(f"{layer}.self_attn", s, states)) for s in states]
        states = [norm(f"{layer}.norm2", s + attend(f"{layer}.multihead_attn", s, memory)) for s in states]
        for i, s in enumerate(states):
            inner = affine(p, f"{layer}.linear1", s)
            inner = inner * (1 + torch.erf(inner / math.sqrt(2))) / 2
            states[i] = norm(f"{layer}.norm3", s + affine(p, f"{layer}.linear2", inner))
    return torch.stack(states)


@pytest.mark.parametrize(
    ("fuser", "plain"),
    [
        (ConvAttention(tokens_=4, layers=(7, 6), out=3, blocks=2), plain_conv_attention),
        (ConvAttention(tokens_=4, layers=(7, 6), out=None, blocks=3, kernel=5), plain_sum),
        (Attention(tokens_=4, layers=(7, 6), out=3), plain_attention),
        (Conv(tokens_=4, layers=(7, 6), out=3, blocks=2), plain_conv),
        (QFormer(tokens_=3, width=8, heads=2, layers=2), plain_q_former),
        (AffectGPTAttention(tokens_=2), plain_affectgpt),
    ],
    ids=["conv-attention", "the sum itself", "attention", "conv", "q-former", "affectgpt-attention"],
)
def test_values_and_gradients_are_those_of_the_equations(
    fuser: Fuser, plain: Callable[[Weights, Mapping[str, Tensor]], Tensor]
) -> None:
    torch.manual_seed(0)
    module = fuser.build({name: FeatureSpec(dim) for name, dim in DIMS.items()}).eval()
    p = dict(module.named_parameters())
    for parameter in p.values():  # biases and norms of zeros and ones would hide what is done with them
        torch.nn.init.normal_(parameter, std=0.5)
    given = {name: stream(COUNTS[name], dim, seed, padding=1) for seed, (name, dim) in enumerate(DIMS.items())}
    got = module(given)
    assert got.mask.all()
    wanted = torch.stack(
        [plain(p, {name: s.values[row][s.mask[row]] for name, s in given.items()}) for row in range(4)]
    )
    torch.testing.assert_close(got.values, wanted, rtol=1e-4, atol=1e-4)
    towards = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1))
    mine, theirs = (torch.autograd.grad((o * towards).sum(), list(p.values())) for o in (got.values, wanted))
    for name, one, other in zip(p, mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3, msg=lambda said, name=name: f"{name}: {said}")
