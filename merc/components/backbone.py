"""Backbone: how the large language model is loaded."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from merc.components.base import Component
from merc.components.tuning import Frozen, Tuning

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

DType = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, kw_only=True)
class Backbone(Component):
    """A causal language model of transformers, and its tokenizer. ``dtype`` is how its weights are held in memory.

    ``tuning`` is how it learns; merc applies it to what ``load`` gives, so a backbone only loads.
    """

    kind: ClassVar[str] = "backbone"
    dtype: DType = "float32"
    tuning: Tuning = field(default_factory=Frozen)

    @abstractmethod
    def config(self) -> PretrainedConfig:
        """The model's configuration, without its weights: enough to build it on the meta device."""

    @abstractmethod
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer."""

    @abstractmethod
    def load(self, device: str) -> PreTrainedModel:
        """The model with its weights, in ``dtype``, on the device."""

    def check(self) -> None:
        """See, before hours of encoding, that ``load`` will find what it needs. Raises MercError where it will not.

        Here configuration and tokenizer are loaded; a backbone that can look after its weights without reading all of
        them does that too."""
        self.config()
        self.tokenizer()

    def identity(self) -> dict[str, Any]:
        """Which model it is, for a run's provenance: a path or name, say. Plain values."""
        return {}

    def weights(self) -> dict[str, Any]:
        """What a run's provenance records of its weights and tokenizer, and compares when the run is used again: plain
        values, such as a hash a file, that are others where the model is another. Empty where it cannot be known; a
        model that changes under its adapter goes unnoticed then. Called after ``check``."""
        return {}

    def pinned(self, identity: Mapping[str, Any]) -> Backbone:
        """The backbone at the version that a run recorded with ``identity``, where a name can come to mean another
        one. Here: itself."""
        return self
