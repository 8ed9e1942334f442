"""Fuser: the features of several encoders in, one further stream out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from merc.components.base import Component
from merc.components.encoder import FeatureSpec

if TYPE_CHECKING:
    from torch import nn


def stream_dims(inputs: Mapping[str, FeatureSpec]) -> dict[str, int]:
    """How many numbers a token of each stream has, for a fuser that needs a stream.

    Args:
        inputs: The shapes of the streams, by name, as ``Fuser.build`` gets them.

    Raises:
        ValueError: There is no stream.

    >>> from merc.components.encoder import FeatureSpec
    >>> stream_dims({"face": FeatureSpec(135), "voice": FeatureSpec(384, 8)})
    {'face': 135, 'voice': 384}
    """
    if not inputs:
        raise ValueError("there is nothing to fuse: the recipe has no encoder")
    return {name: spec.dim for name, spec in inputs.items()}


@dataclass(frozen=True, kw_only=True)
class Fuser(Component):
    """Makes one further stream of features ``[tokens, dim]`` from others. The stream has the fuser's name in the
    recipe, and a connector of its own.

    ``build`` gives a ``torch.nn.Module`` whose ``forward(streams: dict[str, Stream])`` returns a Stream. Each row is
    one utterance; a row whose mask is all false lacks that modality, and must not change the others' result.

    A fuser whose ``context`` is ``"past"`` looks at what was said before: ``forward(streams, speakers)`` gets one
    conversation at a time, row i of each stream being utterance i from the first on. ``speakers`` ``[utterances]``
    numbers who says them, from 0 in the order in which they first speak, -1 where nobody knows. It gives a row for
    each, and row i depends on rows 0 to i alone: so an utterance has the same tokens in every prompt that shows it,
    whatever of the conversation the prompt shows. A segment is a conversation of its own.
    """

    kind: ClassVar[str] = "fuser"
    context: ClassVar[Literal["utterance", "past"]] = "utterance"
    inputs: tuple[str, ...] = ()
    """The encoders whose features it takes; by default those of all."""
    normalize: Literal["none", "train"] = "none"
    """``train`` first shifts and scales each feature of the inputs by its mean and deviation over the train split,
    which are stored with the run; no fuser has to do anything for it."""

    @abstractmethod
    def spec(self, inputs: Mapping[str, FeatureSpec]) -> FeatureSpec | None:
        """The shape of what comes out, known without weights.

        Args:
            inputs: The shapes of the streams that go in, by name.

        Returns:
            The shape, or ``None`` when this fuser gives no stream.

        Raises:
            ValueError: These streams cannot be fused.
        """

    @abstractmethod
    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module, from the shapes of the streams that go in. It may be built on torch's meta device."""

    @abstractmethod
    def tokens(self, counts: Mapping[str, int]) -> int:
        """How many tokens come out for an utterance.

        Args:
            counts: How many tokens of each stream go in, by name: 0 for a missing one; at least one is not.
        """
