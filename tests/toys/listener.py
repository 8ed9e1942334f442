"""Listener, a fuser: what was heard up to an utterance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import merc

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Listener(merc.Fuser):
    """A GRU over the utterances of a conversation, ``width`` numbers each: the means of the streams, each through a
    layer of its own, and a vector where the speaker changes."""

    context = "past"
    width: int = 16

    def spec(self, inputs: Mapping[str, merc.FeatureSpec]) -> merc.FeatureSpec:
        """The state of the GRU after an utterance: one token."""
        return merc.FeatureSpec(dim=self.width, tokens=1)

    def tokens(self, counts: Mapping[str, int]) -> int:
        """One."""
        return 1

    def build(self, inputs: Mapping[str, merc.FeatureSpec]) -> nn.Module:
        """The module: streams of a conversation by name in, a Stream with a row for each of its utterances out."""
        import torch
        from torch import nn

        class Module(nn.Module):
            def __init__(self, width: int) -> None:
                super().__init__()
                self.layers = nn.ModuleDict({name: nn.Linear(spec.dim, width) for name, spec in inputs.items()})
                self.changed = nn.Parameter(torch.zeros(width))
                self.cell = nn.GRU(width, width)

            def forward(self, streams: dict[str, merc.Stream], speakers: Tensor) -> merc.Stream:
                changes = speakers != torch.cat([speakers[:1], speakers[:-1]])
                heard = changes.unsqueeze(1) * self.changed
                present = torch.zeros_like(changes)
                for name, layer in self.layers.items():
                    here = streams[name].present()
                    heard = heard + layer(streams[name].mean()) * here.unsqueeze(1)
                    present = present | here
                states, _ = self.cell(heard)
                return merc.Stream(states.unsqueeze(1), present.unsqueeze(1))

        return Module(self.width)
