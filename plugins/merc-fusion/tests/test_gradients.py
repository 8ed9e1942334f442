"""Every gradient, of parameters and of what goes in, against differences of the numbers themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from merc_fusion.connectors import ConditionedPrompt, MultiScale, ProjectorGate, QFormer, Resampler
from merc_fusion.conversation import ConversationLstm, ModalityGraph, SegmentMemory, StateSpace
from merc_fusion.fusers import Cnn, CrossModalAttention, FeatureLevel, ModalityExperts, MultimodalLstm, TimeWarp
from merc_fusion.inserted import CrossAttention, GatedCrossAttention
from torch import Tensor
from torch.func import functional_call

from merc import Connector, FeatureSpec, Fuser, SeenMedia, Stream
from merc.testing.examples.backbone import Example as TinyBackbone

from .written_out import DIMS, SPEAKERS, batch, random_module

FUSERS: list[Fuser] = [
    FeatureLevel(width=2, out=3),
    FeatureLevel(width=2, out=3, operator="bilinear"),
    FeatureLevel(width=2, out=3, operator="tensor"),
    Cnn(length=4, kernel=(2, 2), width=2, out=3),
    MultimodalLstm(tokens_=3, width=2),
    MultimodalLstm(tokens_=2, width=2, weights="attention", operator="tensor"),
    CrossModalAttention(tokens_=2, width=4, out=3, heads=2),
    CrossModalAttention(tokens_=2, width=4, out=3, heads=2, over="tokens"),
    TimeWarp(tokens_=3, width=2, out=3),
    ModalityExperts(width=3, out=2),
    ModalityExperts(width=3, out=2, top=1),
    ConversationLstm(width=2),
    ModalityGraph(width=2, out=3),
    StateSpace(width=2, states=2),
    SegmentMemory(width=4, heads=2, segment=2, slots=2),
]
CONNECTORS: list[Connector] = [
    QFormer(queries=2, width=4, heads=2, layers=2),
    Resampler(queries=2, width=4, heads=2, layers=2),
    ProjectorGate(),
    ProjectorGate(gate="features"),
    ConditionedPrompt(length=2, width=3),
    MultiScale(),
    CrossAttention(),
]


def check(module: torch.nn.Module, inputs: list[Tensor], call: Any) -> None:
    """``call`` gives what the module is called with from the inputs, and the mask of its rows."""
    names = [name for name, _ in module.named_parameters()]
    learning = [parameter.detach().requires_grad_() for parameter in module.parameters()]

    def compute(*tensors: Tensor) -> Tensor:
        own = dict(zip(names, tensors[: len(names)], strict=True))
        out = functional_call(module, own, call(tensors[len(names) :]))
        return out.values[out.mask] if isinstance(out, Stream) else out

    assert torch.autograd.gradcheck(compute, [*learning, *inputs], fast_mode=True)


@pytest.mark.parametrize("fuser", FUSERS, ids=repr)
def test_fusers(fuser: Fuser) -> None:
    module = random_module(lambda: fuser.build({name: FeatureSpec(dim) for name, dim in DIMS.items()}))
    streams = batch()
    inputs = [one.values.nan_to_num(0.0).requires_grad_() for one in streams.values()]
    speakers = (torch.tensor(SPEAKERS),) if fuser.context == "past" else ()
    check(module, inputs, lambda values: (
        {name: Stream(v, streams[name].mask) for name, v in zip(DIMS, values, strict=True)}, *speakers
    ))  # fmt: skip


@pytest.mark.parametrize("connector", CONNECTORS, ids=repr)
def test_connectors(connector: Connector) -> None:
    module = random_module(lambda: connector.build(FeatureSpec(DIMS["image"]), 3))
    one = batch()["image"]
    check(module, [one.values.nan_to_num(0.0).requires_grad_()], lambda values: (Stream(values[0], one.mask),))


@pytest.mark.parametrize("look", ["all", "last"])
@pytest.mark.parametrize("kind", [CrossAttention, GatedCrossAttention])
def test_what_stands_before_layers(kind: type[CrossAttention], look: Any) -> None:
    llm = TinyBackbone(layers=1, width=4).load("cpu")
    (block,) = kind(heads=2, head_width=3, look=look).insert(llm).values()
    module = random_module(lambda: block)
    states, tokens = (torch.randn(*shape, 4, dtype=torch.double, requires_grad=True) for shape in ((2, 3), (5,)))
    mask = torch.rand(2, 3, 5) > 0.3
    mask[..., 0] = True
    media = SeenMedia(tokens, mask, torch.randint(0, 12, (2, 3, 5)))
    check(module, [states, tokens], lambda values: (values[0], media._replace(tokens=values[1])))
