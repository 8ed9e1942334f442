"""Example, a fuser: replace its mean with your way of bringing streams together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import merc

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Example(merc.Fuser):
    """One token an utterance: each stream's mean through a layer of its own to ``width`` numbers, and the mean of
    those over the streams that the utterance has."""

    width: int = 64

    def spec(self, inputs: Mapping[str, merc.FeatureSpec]) -> merc.FeatureSpec:
        """One token of ``width`` numbers."""
        return merc.FeatureSpec(dim=self.width, tokens=1)

    def tokens(self, counts: Mapping[str, int]) -> int:
        """One, whatever goes in."""
        return 1

    def build(self, inputs: Mapping[str, merc.FeatureSpec]) -> nn.Module:
        """The module: the streams by name in, one Stream out."""
        from torch import nn

        class Module(nn.Module):
            def __init__(self, width: int) -> None:
                super().__init__()
                self.width = width
                self.layers = nn.ModuleDict({name: nn.Linear(spec.dim, width) for name, spec in inputs.items()})

            def forward(self, streams: dict[str, merc.Stream]) -> merc.Stream:
                first = next(iter(streams.values())).values
                total, present = first.new_zeros(len(first), self.width), first.new_zeros(len(first), 1)
                for name, layer in self.layers.items():
                    mean, here = streams[name].mean(), streams[name].present().unsqueeze(1)
                    total, present = total + layer(mean) * here, present + here
                return merc.Stream((total / present.clamp(min=1)).unsqueeze(1), present > 0)

        return Module(self.width)
