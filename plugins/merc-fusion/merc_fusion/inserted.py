"""Connectors through which the language model attends to features in its own layers (section 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from merc import Connector, FeatureSpec, at_least, layer_names

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class CrossAttention(Connector):
    """Cross-attention in the language model's layers: before some layers, each place's state h becomes ``h + O
    softmax(Q norm(h) (K z)^T / sqrt(d)) V z``; z are the features of what the place sees, each through a linear layer
    and a norm. No token stands in the prompt.

    The survey says that "the LLM directly attends to non-textual embeddings through multi-head attention layers", and
    gives no equation. O begins at zero, so that the language model begins as it was.
    """

    every: int = 1
    """Before every so many layers, from the first on."""
    heads: int = 8
    """Heads of attention."""
    head_width: int = 64
    """Numbers of a head."""
    look: Literal["all", "last"] = "all"
    """What a place sees: ``all`` media that were shown up to it, those of earlier utterances too, with a learned bias a
    head for how many utterances ago that was (8 and more are one); or only those shown ``last``."""
    latents: int | None = None
    """A Perceiver Resampler of so many vectors (two layers) before it, as Flamingo has, for encoders that give very
    many tokens; null is none."""

    gated: ClassVar[bool] = False

    def __post_init__(self) -> None:
        at_least(1, self, "every", "heads", "head_width", "latents")

    def tokens(self, count: int) -> int:
        """None in the prompt."""
        return 0

    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        """What layers look at."""
        from merc_fusion.nets import inserted, queries

        if self.latents is None:
            return inserted.Tokens(spec.dim, hidden)
        width = self.heads * self.head_width
        return queries.Resampler((spec.dim, width, hidden), self.latents, 2, self.heads, 1.0)

    def insert(self, llm: nn.Module) -> Mapping[str, nn.Module]:
        """Attention, by the names of the layers that it stands before."""
        from merc_fusion.nets.inserted import Look

        hidden = llm.get_input_embeddings().embedding_dim
        return {
            name: Look(hidden, self.heads, self.head_width, self.look, self.gated)
            for name in layer_names(llm)[:: self.every]
        }


@dataclass(frozen=True, kw_only=True)
class GatedCrossAttention(CrossAttention):
    """Flamingo's gated cross-attention: before some layers, h becomes ``h + tanh(a) attention(h, z)``, and that ``h +
    tanh(b) feed_forward(h)``. The gates a and b begin at 0, so the language model begins as it was.

    The attention is that of ``cross-attention``; the feed-forward part is a norm, 4 x the LLM's width with GELU
    (Flamingo: squared ReLU), and back, without bias.
    """

    every: int = 4
    """Before every so many layers, from the first on. Flamingo puts one before every layer in its smallest model, every
    4th or 7th in larger ones."""
    look: Literal["all", "last"] = "last"
    """What a place sees: the media of the utterance that was shown ``last`` and has any, as in Flamingo, where a text
    sees the picture before it and no earlier one; or ``all``, as in ``cross-attention``."""

    gated: ClassVar[bool] = True
