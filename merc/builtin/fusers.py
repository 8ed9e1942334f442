"""Fusers: none, and putting streams one after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merc.components import FeatureSpec, Fuser

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class NoFusion(Fuser):
    """Gives no stream: its slots are left out. It stands where a comparison wants no fusion."""

    def spec(self, inputs: Mapping[str, FeatureSpec]) -> FeatureSpec | None:
        """No stream."""
        return None

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """Nothing to build: without a stream it is never asked."""
        raise ValueError("the fuser 'none' gives no stream and has no module")

    def tokens(self, counts: Mapping[str, int]) -> int:
        """None."""
        return 0


@dataclass(frozen=True, kw_only=True)
class Concat(Fuser):
    """One token an utterance: the means of the streams, each through a layer of its own, side by side.

    A missing stream has a learned vector in its place, so that absence is not confused with a feature of value zero.
    """

    width: int = 128
    """Numbers of each stream in the token."""

    def spec(self, inputs: Mapping[str, FeatureSpec]) -> FeatureSpec:
        """``width`` numbers a stream, one token."""
        return FeatureSpec(self.width * len(inputs), 1)

    def tokens(self, counts: Mapping[str, int]) -> int:
        """One."""
        return 1

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module."""
        import torch
        from torch import nn

        from merc.components import Stream

        names, width = list(inputs), self.width

        class Module(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = nn.ModuleDict({n: nn.Linear(inputs[n].dim, width) for n in names})
                self.absent = nn.ParameterDict({n: nn.Parameter(torch.zeros(width)) for n in names})

            def forward(self, streams: dict[str, Stream]) -> Stream:
                parts, present = [], []
                for name in names:
                    here = streams[name].present().unsqueeze(1)
                    parts.append(torch.where(here, self.layers[name](streams[name].mean()), self.absent[name]))
                    present.append(here)
                return Stream(torch.cat(parts, -1).unsqueeze(1), torch.cat(present, 1).any(1, keepdim=True))

        return Module()
