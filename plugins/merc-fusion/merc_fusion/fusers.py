"""Fusers of an utterance's streams: the traditional line of section 2.2, and two directions of section 7."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from merc import FeatureSpec, Fuser, at_least, stream_dims
from merc_fusion.checks import heads_of

if TYPE_CHECKING:
    from torch import nn

    from merc_fusion.nets.operators import Operator

LARGEST = 65_536
"""How many products an operator may give: more are gigabytes of weights after it."""


@dataclass(frozen=True, kw_only=True)
class Fused(Fuser):
    """What fusers with the survey's operator share: an operator over vectors of the modalities, then phi, a linear
    layer and tanh."""

    width: int = 128
    """Numbers of each modality's vector, before the operator."""
    out: int = 128
    """Numbers of a token that goes out."""
    operator: Literal["concat", "bilinear", "tensor"] = "concat"
    """How the vectors become one: ``concat`` sets them side by side, ``bilinear`` takes all products of a number of
    each, ``tensor`` also those of fewer modalities. Products are many: ``width`` to the power of the number of
    streams."""

    def __post_init__(self) -> None:
        at_least(1, self, "width", "out")

    def spec(self, inputs: Mapping[str, FeatureSpec]) -> FeatureSpec:
        """One token of ``out`` numbers. ValueError without a stream, or for too many products."""
        self._check(inputs)
        return FeatureSpec(self.out, self.tokens({}))

    def tokens(self, counts: Mapping[str, int]) -> int:
        """One."""
        return 1

    def _check(self, inputs: Mapping[str, FeatureSpec]) -> None:
        from merc_fusion.checks import joined_size

        count = joined_size(self.operator, len(stream_dims(inputs)), self.width)
        if self.operator != "concat" and count > LARGEST:
            raise ValueError(
                f"{self.operator} of {len(inputs)} streams of width {self.width} gives {count:,} products, and at most "
                f"{LARGEST:,} are computed; make width smaller, or take the operator concat"
            )

    def _operator(self, inputs: Mapping[str, FeatureSpec], out: int | None = None) -> Operator:
        from merc_fusion.nets.operators import Operator

        self._check(inputs)
        return Operator(self.operator, len(inputs), self.width, out or self.out)


@dataclass(frozen=True, kw_only=True)
class FeatureLevel(Fused):
    """Feature-level fusion (equation 7, with the operators of equation 10): the mean of each stream through a linear
    layer of its own, an operator over these vectors, and phi, a linear layer and tanh.

    ``tensor`` puts a 1 after each vector, so that products of fewer modalities are there too. A missing modality has a
    learned vector in its place. The survey leaves phi open ("a non-linear transformation").
    """

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module."""
        from merc_fusion.nets import cnn

        return cnn.FeatureLevel(stream_dims(inputs), self.width, self._operator(inputs))


@dataclass(frozen=True, kw_only=True)
class Cnn(Fused):
    """CNN fusion (equations 8 to 10): a convolution over each modality's features, one number after the other made of a
    window of tokens x features, ReLU; all of that to ``width`` numbers by a matrix; then ``operator`` and phi as in
    ``feature-level``.

    Equation 9 multiplies ``vec(Y)`` by a matrix, so each stream must have one length, to which it is brought by
    adaptive average pooling. Its sigma is ReLU here, and nothing is padded. The window slides over neighbouring
    features too, as printed: with the features of a network these have no order, and a kernel of ``[k, 1]`` slides over
    time alone.
    """

    length: int = 8
    """Tokens to which each stream is brought."""
    kernel: tuple[int, int] = (3, 3)
    """The window of the convolution, ``[tokens, features]``."""
    channels: int = 1
    """How many kernels stand side by side; equation 8 as printed has one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "length", "channels")
        if min(self.kernel) < 1 or self.kernel[0] > self.length:
            raise ValueError(
                f"kernel is how many tokens (1 to length, {self.length}) x features it spans, not {list(self.kernel)}"
            )

    def _check(self, inputs: Mapping[str, FeatureSpec]) -> None:
        super()._check(inputs)
        for name, dim in stream_dims(inputs).items():
            if dim < self.kernel[1]:
                raise ValueError(f"kernel spans {self.kernel[1]} features, and the stream {name!r} has {dim}")

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module."""
        from merc_fusion.nets import cnn

        return cnn.Cnn(stream_dims(inputs), self.length, self.kernel, self.channels, self._operator(inputs))


@dataclass(frozen=True, kw_only=True)
class Steps(Fused):
    """A fuser that gives a fixed number of tokens, each a time of the utterance. In Python the field is ``tokens_``."""

    tokens_: int = 8
    """Tokens of an utterance, each an equal part of its time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "tokens_")

    def tokens(self, counts: Mapping[str, int]) -> int:
        """As many as the parameter says."""
        return self.tokens_


@dataclass(frozen=True, kw_only=True)
class MultimodalLstm(Fuser):
    """A multimodal LSTM over the time of an utterance (equations 11 to 14): gates i, f, o and a candidate of each
    modality from its features and the common h, memories fused at the cell state, h from all output gates.

    Streams are brought to the same number of steps by adaptive average pooling, so that step t is one time in all of
    them; h after each step is a token. Phi (equation 14) is as in ``feature-level``.

    What the survey leaves open. Equation 13 has ``c_{t-1}^(m)`` on the right and ``c_t`` without a modality on the
    left: here each modality keeps the memory in the bracket as its own ``c_t^(m)``, and ``c_t`` is their sum by alpha,
    a softmax over the modalities that are there. A missing modality keeps its memory.
    """

    tokens_: int = 8
    """Steps, and tokens of an utterance, each an equal part of its time."""
    width: int = 64
    """Numbers of h, and so of a token."""
    weights: Literal["learned", "attention"] = "learned"
    """What alpha is a softmax of: a ``learned`` number a modality, or ``attention``, which adds a score of the step's
    features."""
    operator: Literal["concat", "bilinear", "tensor"] = "concat"
    """How the output gates' vectors become one: ``concat``, ``bilinear`` or ``tensor``, as in ``feature-level``."""

    def __post_init__(self) -> None:
        at_least(1, self, "tokens_", "width")

    def spec(self, inputs: Mapping[str, FeatureSpec]) -> FeatureSpec:
        """``tokens`` tokens of ``width`` numbers. ValueError without a stream, or for too many products."""
        self._fused()._check(inputs)
        return FeatureSpec(self.width, self.tokens({}))

    def tokens(self, counts: Mapping[str, int]) -> int:
        """As many as the parameter says."""
        return self.tokens_

    def _fused(self) -> Fused:
        return FeatureLevel(width=self.width, out=self.width, operator=self.operator)

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module."""
        from merc_fusion.nets import lstm

        cell = lstm.MultimodalCell(stream_dims(inputs), self.weights, self._fused()._operator(inputs))
        return lstm.UtteranceLstm(cell, self.tokens_)


@dataclass(frozen=True, kw_only=True)
class CrossModalAttention(Steps):
    """Cross-modal attention (equations 15 to 18): multi-head attention of each modality within itself (16, added to
    it), queries, keys and values of each, attention from each to all (15 and 17), ``operator`` and phi over the
    modalities at each time (18).

    Equation 15 as printed has a softmax over the modalities j at one time t, without the square root of equation 16;
    the text beside it speaks of asynchronous signals and of equation 16. Both can be had. A modality also attends to
    itself, as the sum over j says. Places are encoded by sines and cosines in equation 16. A missing modality is not
    attended to.
    """

    over: Literal["modalities", "tokens"] = "modalities"
    """What a modality attends to at a time: the ``modalities`` at this time, with streams brought to equal steps by
    adaptive average pooling, or all ``tokens`` of all modalities, scaled."""
    heads: int = 4
    """Heads of the attention within a modality; they divide ``width``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "heads")
        heads_of(self.width, self.heads)

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module."""
        from merc_fusion.nets import cross_modal

        operator = self._operator(inputs)
        return cross_modal.CrossModalAttention(stream_dims(inputs), self.tokens_, self.heads, self.over, operator)


@dataclass(frozen=True, kw_only=True)
class TimeWarp(Steps):
    """Learned time warping (section 7.2, direction 1): for each modality a rising function that says when its tokens
    take place on one common time, and fusion at ``tokens`` regular times of that.

    A linear layer and softplus say how long a token lasts; running sums of that, divided by the whole, are the warped
    times, from 0 to 1. A stream at a time is the mean of its tokens by Gaussian weights of their distance to it, whose
    width learns too (it begins at half a step). At first all tokens last equally long. Then each modality goes through
    a linear layer, and ``operator``, ``width`` and ``out`` are those of ``feature-level``. The survey names the
    direction and has no equation.
    """

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module."""
        from merc_fusion.nets import time_warp

        return time_warp.TimeWarp(stream_dims(inputs), self.tokens_, self._operator(inputs))


@dataclass(frozen=True, kw_only=True)
class ModalityExperts(Fuser):
    """A mixture of modality experts (section 7.3): one network per modality over the mean of its features, of which a
    router chooses the best and sums them by its softmax.

    The router is a linear layer over the means of all streams, zeros for a missing one, which is never chosen. An
    expert that is not chosen is not computed for that utterance. The softmax is that over all modalities which the
    utterance has, so the router learns even where it chooses a single expert (as in Fedus et al., 2022). There is no
    loss that balances experts: a router may come to prefer one.
    """

    width: int = 128
    """The inner width of each expert (GELU)."""
    out: int = 128
    """Numbers of the one token that goes out."""
    top: int = 2
    """How many experts are chosen; at or above the number of streams, all."""

    def __post_init__(self) -> None:
        at_least(1, self, "width", "out", "top")

    def spec(self, inputs: Mapping[str, FeatureSpec]) -> FeatureSpec:
        """One token of ``out`` numbers. ValueError without a stream."""
        stream_dims(inputs)
        return FeatureSpec(self.out, 1)

    def tokens(self, counts: Mapping[str, int]) -> int:
        """One."""
        return 1

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module."""
        from merc_fusion.nets import experts

        return experts.ModalityExperts(stream_dims(inputs), self.width, self.out, self.top)
