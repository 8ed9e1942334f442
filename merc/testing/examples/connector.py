"""Example, a connector: replace its layers with yours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import merc

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Example(merc.Connector):
    """Two layers for each token on its own, with GELU between them; the inner one is ``width`` wide."""

    width: int = 256

    def build(self, spec: merc.FeatureSpec, hidden: int) -> nn.Module:
        """The module: a Stream of features in, a Stream of tokens of the LLM's width out."""
        from torch import nn

        class Module(nn.Module):
            def __init__(self, width: int) -> None:
                super().__init__()
                self.layers = nn.Sequential(nn.Linear(spec.dim, width), nn.GELU(), nn.Linear(width, hidden))

            def forward(self, stream: merc.Stream) -> merc.Stream:
                return merc.Stream(self.layers(stream.values), stream.mask)

        return Module(self.width)
