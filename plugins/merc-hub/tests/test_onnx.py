"""Connectors, fusers and heads as ONNX compute what torch computes, for other sizes too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from merc_hub.graphs import OfClip, OfStreams, write_onnx
from merc_hub.onnx import TOLERANCE, command
from torch import nn

import merc
import merc.testing
from merc.builtin.connectors import Linear, Mlp
from merc.builtin.fusers import Concat


class TestCommand(merc.testing.CommandContract):
    component = command
    name = "onnx"


def streams(**dims: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    inputs: dict[str, torch.Tensor] = {}
    for name, dim in dims.items():
        inputs[name], mask = torch.randn(2, 3, dim), torch.ones(2, 3, dtype=torch.bool)
        mask[-1, -1] = False
        inputs[f"{name}_mask"] = mask
    return inputs


@pytest.mark.parametrize("connector", [Linear(), Mlp(width=8, pool="mean")], ids=["linear", "mlp"])
def test_a_connector(connector: merc.Connector, tmp_path: Path) -> None:
    module = OfStreams(connector.build(merc.FeatureSpec(dim=6), 16).eval(), ["face"], True)
    assert write_onnx(module, streams(face=6), tmp_path / "c.onnx", TOLERANCE) < TOLERANCE


def test_a_fuser(tmp_path: Path) -> None:
    fuser = Concat(width=8, inputs=("face", "voice"))
    built = fuser.build({"face": merc.FeatureSpec(dim=6), "voice": merc.FeatureSpec(dim=4)}).eval()
    module = OfStreams(built, ["face", "voice"], False)
    assert write_onnx(module, streams(face=6, voice=4), tmp_path / "f.onnx", TOLERANCE) < TOLERANCE


class Faces(nn.Module):
    """A network as an encoder that may learn has it: a list of clips in, a list of features out."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, prepared: list[torch.Tensor]) -> list[torch.Tensor]:
        return [self.layers(one[:, None].float() / 255) for one in prepared]


def test_an_encoders_network(tmp_path: Path) -> None:
    faces = {"prepared": torch.randint(0, 255, (3, 16, 16), dtype=torch.uint8)}
    assert write_onnx(OfClip(Faces().eval()), faces, tmp_path / "e.onnx", TOLERANCE) < TOLERANCE


class Drawn(nn.Module):
    """What computes other numbers each time, as no ONNX file may be said to equal."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values + torch.randn(values.shape)


def test_other_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(merc.MercError, match=r"ONNX computes other numbers than torch|ONNX cannot hold it"):
        write_onnx(Drawn().eval(), {"values": torch.zeros(2, 3)}, tmp_path / "d.onnx", TOLERANCE)
