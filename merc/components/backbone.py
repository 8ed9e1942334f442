"""Backbone: how the large language model is loaded."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from merc.components.base import Component
from merc.components.prompter import Control, Text
from merc.components.tuning import Frozen, Tuning

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from merc.components.encoder import Encoder

DType = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SlotTokens:
    """A slot of a prompt, whose media a backbone lays out."""

    stream: str
    """The name that its encoder or fuser has in the recipe."""
    count: int
    """How many tokens of the LLM's width it has in the prompt, 1 at least where a backbone lays it out."""
    encoder: Encoder | None = None
    """The encoder that its tokens come from; None for those of a fuser."""
    where: NDArray[Any] | None = None
    """``[count, axes]`` float32: where each token lies, on the axes that its encoder's ``FeatureSpec`` names. None
    where it names none, or a connector gives other tokens than it gets."""
    number: int = 1
    """Which of the prompt's slots of its modality it is, counted from 1."""
    seen: bool = False
    """Whether it has media that layers look at though they take no place in the prompt (``Connector.insert``)."""


@dataclass(frozen=True)
class MediaRun:
    """The next tokens of a slot, side by side: one after the other as words do, unless they have positions."""

    count: int
    """How many tokens."""
    positions: tuple[tuple[int, ...], ...] | None = None
    """``[count, axes]`` whole numbers: where each token lies, counted from where the run begins."""
    advance: int | None = None
    """How far from the run's beginning what follows lies, on every axis. A run of no tokens with an advance below 0
    sets what follows back, beside what stands before it."""
    stream: str = ""
    """Whose tokens they are, where slots are laid out together (``Backbone.together``)."""


@dataclass(frozen=True, kw_only=True)
class Backbone(Component):
    """A causal language model of transformers, and its tokenizer. merc applies the tuning to what ``load`` gives, so a
    backbone only loads.

    A multimodal backbone computes over media as its model was trained to. Its vision or audio tower is an encoder of
    the same plugin, whose features are computed once and kept, under the connector ``identity``; ``load`` leaves the
    tower out. ``slot`` gives the control tokens around a slot's media and their positions, and ``axes`` is how many
    axes positions have: ``position_ids`` are ``[axes, rows, length]`` where there are several.
    """

    kind: ClassVar[str] = "backbone"
    axes: ClassVar[int] = 1
    dtype: DType = "float32"
    """What its weights are held in, in memory. bfloat16 is float32 on a CPU that has no instructions for it."""
    attention: Literal["causal", "utterance"] = "causal"
    """What a token of an utterance sees: what stands before it (``causal``), or all of its utterance too, in both
    directions (``utterance``), with a prompter that marks utterances as ``conversation`` does. Utterances see those
    before them either way."""
    tuning: Tuning = field(default_factory=Frozen)
    """How it learns; ``frozen`` by default, not at all."""

    @abstractmethod
    def config(self) -> PretrainedConfig:
        """The model's configuration, without its weights: enough to build it on the meta device."""

    @abstractmethod
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer."""

    @abstractmethod
    def load(self, device: str) -> PreTrainedModel:
        """The model with its weights, in ``dtype``.

        Args:
            device: Where the weights go: "cpu", "cuda".

        Raises:
            MercError: There are no such weights, or they do not fit the model.
        """

    def shape(self) -> PreTrainedModel:
        """The model without its weights, as ``load`` gives it: it is called where torch's default device is ``meta``.

        Here a causal language model of ``config``; a backbone of another class builds that."""
        import torch
        from transformers import AutoModelForCausalLM

        return AutoModelForCausalLM.from_config(self.config(), dtype=getattr(torch, self.dtype))

    def slot(self, slot: SlotTokens) -> Sequence[Control | Text | MediaRun]:
        """How a slot's media stand in a prompt: their tokens in order, in one MediaRun or several, with control tokens
        and words around and between them. The same for the same slot each time. Here: the tokens, and nothing else.

        A Qwen2-VL, whose words go on after a picture of t x h x w tokens max(h, w) further:

        >>> times, rows, columns = 1, 2, 2
        >>> grid = [(t, h, w) for t in range(times) for h in range(rows) for w in range(columns)]
        >>> MediaRun(len(grid), tuple(grid), max(rows, columns))
        MediaRun(count=4, positions=((0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)), advance=2, stream='')
        """
        return (MediaRun(slot.count),)

    def together(self, slots: Sequence[SlotTokens]) -> Sequence[Control | Text | MediaRun] | None:
        """How slots of one utterance stand that follow each other with nothing between: a model that hears what it
        sees may put sound and pictures of the same time side by side. Each MediaRun names its ``stream``, and all of
        them hold each slot's tokens in order. Here None: each stands by itself, as ``slot`` has it."""
        return None

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
