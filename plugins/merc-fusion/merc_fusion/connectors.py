"""Connectors of sections 2.4 and 7 and of figures 4 and 5: an encoder's features in, tokens of the LLM's width out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from merc import Connector, FeatureSpec, at_least
from merc_fusion.checks import heads_of, scale, share

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class QFormer(Connector):
    """BLIP-2's Q-Former (section 2.4): ``queries`` learned vectors that attend to each other and, in every
    ``cross_every``-th layer from the first on, to the features; their last states go out.

    transformers' own module, with random weights: ``layers`` of BERT's form, ``width`` numbers a query, ``heads``
    heads, 4 x ``width`` in the feed-forward part, ``dropout`` (also of attention). Features come to ``width`` by a
    linear layer and a norm, and one more linear layer goes to the LLM's width; ``init_scale`` multiplies what that
    begins with. BLIP-2 norms the features themselves, of which nothing would be left where a token is one number. The
    place of a token in its clip is encoded by sines and cosines, as features of clips carry none. Sizes are BLIP-2's.
    The survey has no equation of it.
    """

    queries: int = 32
    width: int = 768
    heads: int = 12
    layers: int = 12
    cross_every: int = 2
    dropout: float = 0.1
    init_scale: float = 1.0

    def __post_init__(self) -> None:
        at_least(1, self, "queries", "width", "heads", "layers", "cross_every")
        heads_of(self.width, self.heads)
        share(self.dropout)
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
    """Flamingo's Perceiver Resampler: ``queries`` learned vectors that, in each of ``layers`` layers, attend to the
    features and to each other at once (keys and values of both side by side), then go through a feed-forward part of
    4 x ``width`` with GELU; each part's result is added, norms stand before.

    ``width`` is the resampler's, by default the LLM's, and ``heads`` divide it. Features come to it by a linear layer
    and a norm, and a linear layer goes to the LLM's width; ``init_scale`` multiplies what that begins with. Flamingo
    tells frames apart by learned vectors; here the place of a token is encoded by sines and cosines, for clips of any
    length. Flamingo's sizes are 64 queries and 6 layers; the survey has no equation of it.
    """

    queries: int = 64
    layers: int = 6
    heads: int = 8
    width: int | None = None
    init_scale: float = 1.0

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
    """The projector fusion gate of figure 4: ``projectors`` of the same features, each two linear layers with GELU
    between them, and the sum of what they give by learned coefficients w_1, w_2, ...

    The figure says no more of the coefficients than that they learn. With ``gate: free``, the default, each is a
    number of its own, which begins at 1 / ``projectors`` and may become anything. With ``gate: features`` they are a
    softmax of a linear layer over the mean of the utterance's features, so that each utterance mixes the projectors its
    own way (HumanOmni, whose figure it is, takes them from the instruction). ``init_scale`` multiplies what the last
    layers begin with.
    """

    projectors: int = 3
    gate: Literal["free", "features"] = "free"
    init_scale: float = 1.0

    def __post_init__(self) -> None:
        at_least(1, self, "projectors")
        scale(self.init_scale)

    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        """The module, as many tokens out as go in."""
        from merc_fusion.nets import projectors

        return projectors.ProjectorGate(spec.dim, hidden, self.projectors, self.gate, self.init_scale)


@dataclass(frozen=True, kw_only=True)
class ConditionedPrompt(Connector):
    """Modality-conditioned prompt tokens (figure 5): ``length`` learned vectors a modality, each moved by what a small
    network makes of the mean of the utterance's features.

    Token i is ``p_i + V_i relu(W x + a) + b_i`` with x the mean and ``width`` numbers between. The figure shows the
    tokens and no equation; this is the form of conditional prompt learning (CoCoOp), with a move for each token rather
    than one for all. ``deviation`` is that of the normal distribution that p and V are drawn from.
    """

    length: int = 4
    width: int = 64
    deviation: float = 0.02

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
    """Multi-scale temporal pooling (section 7.3): for each of ``scales`` the means of so many equal stretches of the
    clip, the coarsest first, so that what comes later refines it.

    Each mean goes through one linear layer, the same for all, and gets a learned vector of its scale, which begins at
    zero. Stretches are those of adaptive average pooling over the clip's own tokens; a clip with fewer tokens than a
    scale has stretches repeats them. ``init_scale`` multiplies what the layer begins with. The survey has no equation.
    """

    scales: tuple[int, ...] = (1, 2, 4)
    init_scale: float = 1.0

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
