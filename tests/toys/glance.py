"""Glance, a connector: layers of the language model look at the media, and the prompt holds none of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import merc

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Glance(merc.Connector):
    """Before every ``every``-th layer attention to what is seen of the media, after a gate that starts closed: the
    language model begins as it was."""

    every: int = 2

    def tokens(self, count: int) -> int:
        """None in the prompt."""
        return 0

    def build(self, spec: merc.FeatureSpec, hidden: int) -> nn.Module:
        """One layer, the same for every token."""
        from torch import nn

        class Tokens(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(spec.dim, hidden)

            def forward(self, stream: merc.Stream) -> merc.Stream:
                return merc.Stream(self.layer(stream.values), stream.mask)

        return Tokens()

    def insert(self, llm: nn.Module) -> Mapping[str, nn.Module]:
        """Gated cross-attention, by the names of the layers that it stands before."""
        import torch
        from torch import nn

        class Attention(nn.Module):
            def __init__(self, hidden: int) -> None:
                super().__init__()
                self.norm = nn.LayerNorm(hidden)
                self.query, self.key, self.value = (nn.Linear(hidden, hidden, bias=False) for _ in range(3))
                self.gate = nn.Parameter(torch.zeros(1))

            def forward(self, states: Tensor, media: merc.SeenMedia) -> Tensor:
                scores = self.query(self.norm(states)) @ self.key(media.tokens).T / states.shape[-1] ** 0.5
                # Where nothing is seen the lowest number, not minus infinity, of which no softmax can be taken.
                weights = scores.masked_fill(~media.mask, torch.finfo(scores.dtype).min).softmax(-1)
                return states + self.gate.tanh() * (weights @ self.value(media.tokens))

        hidden = llm.get_input_embeddings().embedding_dim
        return {name: Attention(hidden) for name in merc.layer_names(llm)[:: self.every]}
