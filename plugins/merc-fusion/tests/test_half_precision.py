"""In bfloat16, as recipes train, everything gives nearly the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from merc_fusion.inserted import GatedCrossAttention

from merc import Connector, FeatureSpec, Fuser, SeenMedia, Stream
from merc.testing.examples.backbone import Example as TinyBackbone

from .test_gradients import CONNECTORS, FUSERS
from .written_out import DIMS, SPEAKERS, batch, random_module


def close(module: torch.nn.Module, *given: Any) -> None:
    module = module.float()
    exact = module(*given)
    with torch.autocast("cpu", torch.bfloat16):
        rough = module(*given)
    if isinstance(exact, Stream):
        assert torch.equal(exact.mask, rough.mask)
        exact, rough = exact.values[exact.mask], rough.values[rough.mask]
    torch.testing.assert_close(rough.float(), exact, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("fuser", FUSERS, ids=repr)
def test_fusers(fuser: Fuser) -> None:
    module = random_module(lambda: fuser.build({name: FeatureSpec(dim) for name, dim in DIMS.items()}))
    streams = {name: Stream(one.values.float(), one.mask) for name, one in batch().items()}
    close(module, streams, *((torch.tensor(SPEAKERS),) if fuser.context == "past" else ()))


@pytest.mark.parametrize("connector", CONNECTORS, ids=repr)
def test_connectors(connector: Connector) -> None:
    one = batch()["image"]
    module = random_module(lambda: connector.build(FeatureSpec(DIMS["image"]), 3))
    close(module, Stream(one.values.float(), one.mask))


@pytest.mark.parametrize("look", ["all", "last"])
def test_what_stands_before_layers(look: Any) -> None:
    llm = TinyBackbone(layers=1, width=4).load("cpu")
    (block,) = GatedCrossAttention(heads=2, head_width=3, look=look).insert(llm).values()
    module = random_module(lambda: block)
    mask = torch.rand(2, 3, 5) > 0.3
    mask[0, 0] = False  # a place that sees nothing
    close(module, torch.randn(2, 3, 4), SeenMedia(torch.randn(5, 4), mask, torch.randint(0, 12, (2, 3, 5))))
