"""Connectors of sections 2.4 and 7 and of figures 4 and 5: an encoder's features in, tokens of the LLM's width out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from merc import Connector, FeatureSpec, at_least, below_one
from merc_fusion.checks import heads_of, scale

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class QFormer(Connector):
    """BLIP-2's Q-Former (section 2.4): learned query vectors that attend to each other and, in some layers, to the
    features; their last states go out.

    transformers' own module, with random weights and layers of BERT's form, with 4 x ``width`` in the feed-forward
    part. Features come to ``width`` by a linear layer and a norm, and one more linear layer goes to the LLM's width.
    BLIP-2 norms the features themselves, of which nothing would be left where a token is one number. The place of a
    token in its clip is encoded by sines and cosines, as features of clips carry none. Sizes are BLIP-2's. The survey
    has no equation of it.
    """

    queries: int = 32
    """How many query vectors, each a token of the prompt."""
    width: int = 768
    """Numbers of a query."""
    heads: int = 12
    """Heads of attention; they divide ``width``."""
    layers: int = 12
    """How many layers."""
    cross_every: int = 2
    """Every so many layers, from the first on, the queries attend to the features."""
    dropout: float = 0.1
    """The share of the numbers, and of the attention, that is dropped while training."""
    init_scale: float = 1.0
    """The factor of the last linear layer's first weights."""

    def __post_init__(self) -> None:
        at_least(1, self, "queries", "width", "heads", "layers", "cross_every")
        heads_of(self.width, self.heads)
        below_one(self, "dropout")
        scale(self.init_scale)

    def tokens(self, count: int) -> int:
        """As many as there are queries."""
        return self.queries

    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        """The module."""
        from merc_fusion.nets import queries

        config = {
            "hidden_size": self.width,
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "intermediate_size": 4 * self.width,
            "cross_attention_frequency": self.cross_every,
            "hidden_dropout_prob": self.dropout,
            "attention_probs_dropout_prob": self.dropout,
        }
        return queries.QFormer(spec.dim, hidden, self.queries, self.init_scale, config)


@dataclass(frozen=True, kw_only=True)
class Resampler(Connector):
    """Flamingo's Perceiver Resampler: learned query vectors that, in each layer, attend to the features and to each
    other at once (keys and values of both side by side), then go through a feed-forward part of 4 x ``width`` with
    GELU; each part's result is added, norms stand before.

    Features come to ``width`` by a linear layer and a norm, and a linear layer goes to the LLM's width. Flamingo tells
    frames apart by learned vectors; here the place of a token is encoded by sines and cosines, for clips of any length.
    Flamingo's sizes are 64 queries and 6 layers; the survey has no equation of it.
    """

    queries: int = 64
    """How many query vectors, each a token of the prompt."""
    layers: int = 6
    """How many layers."""
    heads: int = 8
    """Heads of attention; they divide ``width``."""
    width: int | None = None
    """The resampler's width; null is the LLM's."""
    init_scale: float = 1.0
    """The factor of the last linear layer's first weights."""

    def __post_init__(self) -> None:
        at_least(1, self, "queries", "layers", "heads", "width")
        heads_of(self.width, self.heads)
        scale(self.init_scale)

    def tokens(self, count: int) -> int:
        """As many as there are queries."""
        return self.queries

    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        """The module. ValueError for an LLM whose width the heads cannot divide among them."""
        from merc_fusion.nets import queries

        width = self.width or hidden
        heads_of(width, self.heads)
        return queries.Resampler((spec.dim, width, hidden), self.queries, self.layers, self.heads, self.init_scale)


@dataclass(frozen=True, kw_only=True)
class ProjectorGate(Connector):
    """The projector fusion gate of figure 4: several projectors of the same features, each two linear layers with GELU
    between them, and the sum of what they give by learned coefficients w_1, w_2, ...

    The figure says no more of the coefficients than that they learn.
    """

    projectors: int = 3
    """How many projectors."""
    gate: Literal["free", "features"] = "free"
    """The coefficients: numbers of their own that begin at 1 / ``projectors`` and may become anything (``free``), or a
    softmax of a linear layer over the mean of the utterance's ``features``, so that each utterance mixes the projectors
    its own way (HumanOmni, whose figure it is, takes them from the instruction)."""
    init_scale: float = 1.0
    """The factor of the last layers' first weights."""

    def __post_init__(self) -> None:
        at_least(1, self, "projectors")
        scale(self.init_scale)

    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        """The module, as many tokens out as go in."""
        from merc_fusion.nets import projectors

        return projectors.ProjectorGate(spec.dim, hidden, self.projectors, self.gate, self.init_scale)


@dataclass(frozen=True, kw_only=True)
class ConditionedPrompt(Connector):
    """Modality-conditioned prompt tokens (figure 5): learned vectors of a modality, each moved by what a small network
    makes of the mean of the utterance's features.

    Token i is ``p_i + V_i relu(W x + a) + b_i`` with x the mean. The figure shows the tokens and no equation; this is
    the form of conditional prompt learning (CoCoOp), with a move for each token rather than one for all.
    """

    length: int = 4
    """How many vectors, each a token of the prompt."""
    width: int = 64
    """The inner width of the network, the number of rows of W."""
    deviation: float = 0.02
    """The standard deviation of the normal distribution that p and V are drawn from."""

    def __post_init__(self) -> None:
        at_least(1, self, "length", "width")
        if self.deviation <= 0:
            raise ValueError(f"deviation is above 0, not {self.deviation:g}")

    def tokens(self, count: int) -> int:
        """As many as there are vectors."""
        return self.length

    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        """The module."""
        from merc_fusion.nets import projectors

        return projectors.ConditionedPrompt(spec.dim, hidden, self.length, self.width, self.deviation)


@dataclass(frozen=True, kw_only=True)
class MultiScale(Connector):
    """Multi-scale temporal pooling (section 7.3): for each scale the means of so many equal stretches of the clip, the
    coarsest first, so that what comes later refines it.

    Each mean goes through one linear layer, the same for all, and gets a learned vector of its scale, which begins at
    zero. Stretches are those of adaptive average pooling over the clip's own tokens; a clip with fewer tokens than a
    scale has stretches repeats them. The survey has no equation.
    """

    scales: tuple[int, ...] = (1, 2, 4)
    """The numbers of stretches; their sum is the number of tokens."""
    init_scale: float = 1.0
    """The factor of the layer's first weights."""

    def __post_init__(self) -> None:
        if not self.scales or min(self.scales) < 1 or list(self.scales) != sorted(set(self.scales)):
            raise ValueError(f"scales are numbers of stretches from 1 on that rise, not {list(self.scales)}")
        scale(self.init_scale)

    def tokens(self, count: int) -> int:
        """The sum of the scales."""
        return sum(self.scales)

    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        """The module."""
        from merc_fusion.nets import projectors

        return projectors.MultiScale(spec.dim, hidden, self.scales, self.init_scale)
