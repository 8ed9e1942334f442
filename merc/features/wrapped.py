"""An encoder in another's place in a pass over media, whose results are kept under keys of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from merc.components.encoder import Encoder, FeatureSpec, Modality, Sampling
from merc.features.key import recipe_of


@dataclass(frozen=True, kw_only=True)
class Wrapped(Encoder):
    """Stands for the encoder ``of``, of which it says all that it does not change."""

    of: Encoder

    @property
    def modality(self) -> Modality:  # type: ignore[override]
        """That of the encoder."""
        return self.of.modality

    @property
    def batch(self) -> int:  # type: ignore[override]
        """That of the encoder."""
        return self.of.batch

    def sampling(self) -> Sampling:
        """That of the encoder."""
        return self.of.sampling()

    def spec(self) -> FeatureSpec:
        """That of the encoder."""
        return self.of.spec()

    def identity(self) -> Mapping[str, Any]:
        """That of the encoder."""
        return self.of.identity()

    @abstractmethod
    def differs(self) -> Mapping[str, Any]:
        """What of its results is not the encoder's own, as plain values: a part of their keys."""


def key_values(name: str, encoder: Encoder) -> Mapping[str, Any]:
    """All of an encoder that its numbers depend on, wrapped or not. Raises MercError for a file that is not there."""
    if isinstance(encoder, Wrapped):
        return {**key_values(name, encoder.of), **encoder.differs()}
    return recipe_of(name, encoder)
