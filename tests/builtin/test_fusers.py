"""The fusers ``none`` and ``concat``."""

from __future__ import annotations

import pytest
import torch

from merc.builtin.fusers import Concat, NoFusion
from merc.components import FeatureSpec
from merc.testing import FuserContract
from merc.testing.streams import stream

SPECS = {"face": FeatureSpec(6), "voice": FeatureSpec(4)}


class TestConcat(FuserContract):
    component = Concat()
    name = "concat"


class TestNarrowConcat(FuserContract):
    component = Concat(width=3)


class TestNone(FuserContract):
    component = NoFusion()
    name = "none"


def test_concat_is_one_token_of_means_side_by_side() -> None:
    torch.manual_seed(0)
    module = Concat(width=3).build(SPECS).eval()
    for parameter in module.absent.parameters():
        torch.nn.init.normal_(parameter)
    face, voice = stream((2, 3, 0, 0), 6, padding=1, rubbish=9.0), stream((4, 0, 1, 0), 4, seed=1)
    out = module({"face": face, "voice": voice})
    assert out.values.shape == (4, 1, 6)
    assert out.mask.tolist() == [[True], [True], [True], [False]]
    layers, absent = module.layers, module.absent
    f0, f1 = layers["face"](face.values[0, :2].mean(0)), layers["face"](face.values[1, :3].mean(0))
    v0, v2 = layers["voice"](voice.values[0, :4].mean(0)), layers["voice"](voice.values[2, :1].mean(0))
    wanted = [torch.cat(pair) for pair in ((f0, v0), (f1, absent["voice"]), (absent["face"], v2))]
    torch.testing.assert_close(out.values[:3, 0], torch.stack(wanted))


@pytest.mark.parametrize("rubbish", [float("nan"), float("inf")])
def test_nan_at_masked_places_reaches_neither_tokens_nor_gradients(rubbish: float) -> None:
    results = []
    for there in (0.0, rubbish):
        torch.manual_seed(0)
        module = Concat(width=3).build(SPECS).eval()
        out = module({"face": stream((2, 0), 6, padding=2, rubbish=there), "voice": stream((1, 3), 4, rubbish=there)})
        out.values[out.mask].square().sum().backward()
        results.append([out.values.detach(), *[p.grad for p in module.parameters()]])
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two)


def test_shapes_and_counts() -> None:
    assert Concat(width=3).spec(SPECS) == FeatureSpec(6, 1)
    assert Concat().tokens({"face": 7, "voice": 0}) == 1
    assert NoFusion().spec(SPECS) is None
    assert NoFusion().tokens({"face": 7, "voice": 2}) == 0
    with pytest.raises(ValueError, match="the fuser 'none' gives no stream and has no module"):
        NoFusion().build(SPECS)
