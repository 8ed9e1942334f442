"""Fusers that see what was said before: recurrence, a graph, a latent state and a memory over a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merc import FeatureSpec, Fuser, at_least, stream_dims
from merc_fusion.checks import heads_of
from merc_fusion.fusers import Fused, MultimodalLstm

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class ConversationLstm(MultimodalLstm):
    """The multimodal LSTM of equations 11 to 14 over the utterances of a conversation: step t is utterance t, its
    features the means of its streams, and h after it is its one token.

    What the survey leaves open is as in ``multimodal-lstm``. An utterance without any modality leaves the state as it
    is. Who speaks is not looked at, as in the equations.
    """

    context = "past"
    tokens_: int = 1
    """Tokens of an utterance: 1 and nothing else."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tokens_ != 1:
            raise ValueError(f"tokens is 1, the state after the utterance, not {self.tokens_}")

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module."""
        from merc_fusion.nets import lstm

        return lstm.ConversationLstm(
            lstm.MultimodalCell(stream_dims(inputs), self.weights, self._fused()._operator(inputs))
        )


@dataclass(frozen=True, kw_only=True)
class ModalityGraph(Fused):
    """A graph over utterances and modalities (equations 19 and 20): a node for each modality of each utterance, which
    begins as the mean of its features and takes, in each layer, messages of all modalities of its neighbours;
    ``operator`` fuses the nodes of an utterance.

    The neighbours of an utterance are itself and utterances before it, so nothing looks ahead. Sigma is ReLU. The
    survey leaves alpha open ("the attention coefficient"): here, as in graph attention networks, a softmax over all
    neighbours and modalities of ``leaky_relu(a . W h_v + b . W h_u + r)``, where r is a learned number for whether the
    two are one utterance, or have the same speaker, others, or unknown ones. An utterance's own messages begin far
    above the others': as a plain mean, alpha would leave the utterances of a conversation nearly alike after two
    layers. A missing modality has no node that sends, and is fused as ``feature-level`` does.
    """

    context = "past"
    layers: int = 2
    """How many rounds of messages."""
    window: int | None = 8
    """How many utterances before it are an utterance's neighbours; null is all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "layers")
        if self.window is not None and self.window < 0:
            raise ValueError(f"window counts the utterances before, from 0, not {self.window}")

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module."""
        from merc_fusion.nets import graph

        return graph.ModalityGraph(stream_dims(inputs), self.layers, self.window, self._operator(inputs))


@dataclass(frozen=True, kw_only=True)
class _Latent(Fuser):
    """One token an utterance from a state of ``width`` numbers."""

    width: int = 128
    """Numbers of the state, and of the one token that an utterance has."""

    def __post_init__(self) -> None:
        at_least(1, self, "width")

    def spec(self, inputs: Mapping[str, FeatureSpec]) -> FeatureSpec:
        """One token of ``width`` numbers. ValueError without a stream."""
        stream_dims(inputs)
        return FeatureSpec(self.width, 1)

    def tokens(self, counts: Mapping[str, int]) -> int:
        """One."""
        return 1


@dataclass(frozen=True, kw_only=True)
class StateSpace(_Latent):
    """Emotion as a continuous latent trajectory (section 7.2, direction 2): a diagonal state-space model ``ds/dt = A s
    + B u``, ``y = C s + D u`` over the utterances of a conversation, A below zero.

    u is a vector of an utterance: the means of its streams through linear layers, averaged, and a learned vector where
    the speaker changes. While an utterance lasts u is constant, so s is solved exactly: it becomes ``e^(A t) s + (e^(A
    t) - 1) / A B u`` with t a softplus of a linear layer over u (as in Mamba: the model says how much of the past it
    keeps). The states of a channel begin with decays of 1 to ``states`` (S4D-Real). An utterance without any modality
    has u = 0, and the state decays: emotional inertia. The survey names the direction and has no equation. Real times
    are not used, since a fuser does not receive them.
    """

    context = "past"
    states: int = 8
    """States of each of the ``width`` channels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "states")

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module."""
        from merc_fusion.nets import latent

        return latent.StateSpace(stream_dims(inputs), self.width, self.states)


@dataclass(frozen=True, kw_only=True)
class SegmentMemory(_Latent):
    """A memory of earlier segments for long conversations (section 7.2, direction 3): an utterance attends to those
    before it in its segment and to vectors of memory, and at the end of a segment the memory attends to its states and
    takes part of what it finds.

    It is one layer of a transformer over a vector an utterance (that of ``state-space``, with sines and cosines of the
    place in the segment); the memory becomes ``k m + (1 - k) w``, with w what it attended to and k a sigmoid of a
    linear layer over both. What an utterance costs does not grow with the conversation. The survey names the direction
    ("explicit memory buffers or recurrence") and has no equation.
    """

    context = "past"
    heads: int = 4
    """Heads of attention; they divide ``width``."""
    segment: int = 8
    """How many utterances are a segment."""
    slots: int = 4
    """How many vectors the memory has."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "heads", "segment", "slots")
        heads_of(self.width, self.heads)

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module."""
        from merc_fusion.nets import latent

        return latent.SegmentMemory(stream_dims(inputs), self.width, self.heads, self.segment, self.slots)
