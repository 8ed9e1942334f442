"""Every connector against its equations, written out for one clip and one token at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from merc_fusion.connectors import ConditionedPrompt, MultiScale, ProjectorGate, QFormer, Resampler
from merc_fusion.inserted import CrossAttention, GatedCrossAttention
from torch import Tensor, nn

from merc import Connector, FeatureSpec, SeenMedia, layer_names
from merc.testing.examples.backbone import Example as TinyBackbone

from .written_out import DIMS, affine, attention, batch, gelu, norm, place, pooled, random_module, rows

WIDTH = 3
"""That of the language model."""
PRESENT = [row for row, count in enumerate((1, 0, 1, 7, 0)) if count]


def given(connector: Connector) -> tuple[nn.Module, Tensor]:
    """The module, and what it gives of pictures: ``[rows, tokens, hidden]``."""
    module = random_module(lambda: connector.build(FeatureSpec(DIMS["image"]), WIDTH))
    out = module(batch()["image"])
    assert [bool(row.any()) for row in out.mask] == [row in PRESENT for row in range(5)]
    return module, out.values


def clip(row: int) -> Tensor:
    return rows(batch(), row)["image"]


def entered(module: nn.Module, x: Tensor) -> list[Tensor]:
    """Features at the width of the queries, with their places."""
    return [
        norm(affine(token, module.enter), module.norm) + place(i, len(module.norm.weight)) for i, token in enumerate(x)
    ]


def test_a_q_former() -> None:
    """BERT's layers: self-attention, cross-attention in every second one, feed-forward; each is added and normed."""
    module, out = given(QFormer(queries=3, width=4, heads=2, layers=3))
    for row in PRESENT:
        media = entered(module, clip(row))
        states = [norm(query, module.network.layernorm) for query in module.queries]
        for number, layer in enumerate(module.network.encoder.layer):
            attentions = [(layer.attention, None)]
            if number % 2 == 0:
                attentions.append((layer.crossattention, media))
            for part, to in attentions:
                maps = (part.attention.query, part.attention.key, part.attention.value, part.output.dense)
                looked = attention(states, states if to is None else to, maps, 2)
                states = [norm(s + more, part.output.LayerNorm) for s, more in zip(states, looked, strict=True)]
            inner, outer = layer.intermediate_query.dense, layer.output_query
            states = [norm(s + affine(gelu(affine(s, inner)), outer.dense), outer.LayerNorm) for s in states]
        torch.testing.assert_close(out[row], torch.stack([affine(s, module.out) for s in states]))


def test_a_resampler() -> None:
    module, out = given(Resampler(queries=3, width=4, heads=2, layers=2))
    for row in PRESENT:
        states = list(module.queries)
        for layer in module.layers:
            normed = [norm(state, layer.query_norm) for state in states]
            media = [norm(one, layer.media_norm) for one in entered(module, clip(row))]
            looked = attention(normed, [*media, *normed], heads_of(layer.attention), 2)
            states = [state + more for state, more in zip(states, looked, strict=True)]
            states = [state + feed_forward(layer.feed_forward, state) for state in states]
        torch.testing.assert_close(out[row], torch.stack([affine(norm(s, module.last), module.out) for s in states]))


def heads_of(module: nn.Module) -> tuple[nn.Module, ...]:
    return module.query, module.key, module.value, module.out


def feed_forward(module: nn.Module, state: Tensor) -> Tensor:
    before, inner, _, outer = module
    return affine(gelu(affine(norm(state, before), inner)), outer)


@pytest.mark.parametrize("gate", ["free", "features"])
def test_the_projector_gate_of_figure_4(gate: str) -> None:
    module, out = given(ProjectorGate(projectors=3, gate=gate))
    for row in PRESENT:
        x = clip(row)
        w = module.coefficients if gate == "free" else affine(x.mean(0), module.gate).exp()
        w = w if gate == "free" else w / w.sum()
        for token, got in zip(x, out[row], strict=False):
            parts = [affine(gelu(affine(token, first)), second) for first, _, second in module.projectors]
            torch.testing.assert_close(got, w[0] * parts[0] + w[1] * parts[1] + w[2] * parts[2])


def test_coefficients_begin_as_a_mean() -> None:
    module = ProjectorGate(projectors=4).build(FeatureSpec(2), WIDTH)
    assert module.coefficients.tolist() == [0.25] * 4


def test_the_prompt_tokens_of_figure_5() -> None:
    module, out = given(ConditionedPrompt(length=2, width=4))
    first, _, second = module.network
    for row in PRESENT:
        moves = affine(affine(clip(row).mean(0), first).clamp(min=0), second)
        torch.testing.assert_close(out[row, 0], module.vectors[0] + moves[:WIDTH])
        torch.testing.assert_close(out[row, 1], module.vectors[1] + moves[WIDTH:])


def test_pooling_at_several_scales() -> None:
    module, out = given(MultiScale(scales=(1, 3)))
    for row in PRESENT:
        means = [(0, clip(row).mean(0)), *((1, mean) for mean in pooled(clip(row), 3))]
        torch.testing.assert_close(out[row], torch.stack([affine(m, module.layer) + module.scale[s] for s, m in means]))


def test_tokens_that_layers_look_at() -> None:
    module, out = given(CrossAttention())
    for row in PRESENT:
        for token, got in zip(clip(row), out[row], strict=False):
            torch.testing.assert_close(got, norm(affine(token, module.layer), module.norm))


def places() -> tuple[Tensor, SeenMedia]:
    """Four places of one row: the first sees nothing, the second two tokens, the third two more shown after them, and
    the last what was shown ten utterances ago beside what was shown last."""
    torch.manual_seed(5)
    mask = torch.tensor([[0, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0], [1, 1, 0, 0, 1]]).bool()[None]
    age = torch.tensor([[0] * 5, [0, 0, 7, 7, 7], [1, 1, 0, 0, 3], [10, 10, 5, 5, 0]], dtype=torch.int)[None]
    return torch.randn(1, 4, 4, dtype=torch.double), SeenMedia(torch.randn(5, 4, dtype=torch.double), mask, age)


def seen(media: SeenMedia, at: int, look: str) -> list[int]:
    return [i for i in range(5) if media.mask[0, at, i] and (look == "all" or media.age[0, at, i] == 0)]


def looked(block: nn.Module, state: Tensor, media: SeenMedia, at: int, tokens: Sequence[int]) -> Tensor:
    """Equation 16 from a place to what it sees."""
    bias = None
    if block.look == "all":
        ages = [min(8, int(media.age[0, at, i])) for i in tokens]
        bias = torch.stack([torch.stack([head[age] for age in ages])[None] for head in block.age])
    to = [media.tokens[i] for i in tokens]
    return attention([norm(state, block.norm)], to, heads_of(block.attention), 2, bias)[0]


def blocks(connector: Connector, layers: int = 1) -> dict[str, nn.Module]:
    llm = TinyBackbone(layers=layers, width=4).load("cpu")
    return dict(connector.insert(llm))


@pytest.mark.parametrize("look", ["all", "last"])
def test_cross_attention(look: str) -> None:
    block = random_module(lambda: next(iter(blocks(CrossAttention(heads=2, head_width=3, look=look)).values())))
    states, media = places()
    out = block(states, media)
    for at in range(1, 4):
        state = states[0, at]
        torch.testing.assert_close(out[0, at], state + looked(block, state, media, at, seen(media, at, look)))


@pytest.mark.parametrize("look", ["all", "last"])
def test_gated_cross_attention(look: str) -> None:
    block = random_module(lambda: next(iter(blocks(GatedCrossAttention(heads=2, head_width=3, look=look)).values())))
    states, media = places()
    out = block(states, media)
    for at in range(1, 4):
        h = states[0, at]
        h = h + math.tanh(block.attention_gate) * looked(block, h, media, at, seen(media, at, look))
        h = h + math.tanh(block.feed_forward_gate) * feed_forward(block.feed_forward, h)
        torch.testing.assert_close(out[0, at], h)


@pytest.mark.parametrize("connector", [CrossAttention(), GatedCrossAttention(every=1), GatedCrossAttention(look="all")])
def test_the_language_model_begins_as_it_was(connector: Connector) -> None:
    states, media = places()
    for block in blocks(connector, 2).values():
        assert torch.equal(block.double()(states, media), states)
        block.zero_grad()
        block(states, media).square().sum().backward()
        doors = [block.attention_gate, block.feed_forward_gate] if block.gated else [block.attention.out.weight]
        assert all(bool(door.grad.any()) for door in doors), "and can learn"


def test_blocks_stand_before_every_so_many_layers() -> None:
    llm = TinyBackbone(layers=6, width=4).load("cpu")
    names = layer_names(llm)
    assert list(CrossAttention().insert(llm)) == names
    assert list(GatedCrossAttention().insert(llm)) == [names[0], names[4]]
