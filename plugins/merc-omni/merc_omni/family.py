"""What differs between families of native multimodal models, in one class a family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

import merc

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PretrainedConfig

Medium = Literal["image", "video", "audio"]
Rows = npt.NDArray[np.float32]
"""A clip as its tower takes it, ``[n, values + axes]``: the last numbers of a row say where it lies."""
Prepare = Callable[[Any], "Rows | merc.Missing"]
"""One clip to its rows."""
Piece = merc.Control | merc.Text | merc.MediaRun


class Family(ABC):
    """One architecture of transformers: its class, its towers, what it makes of media, and how they stand in a prompt.

    A family is made for one model, from that model's configuration. torch is imported inside methods alone.
    """

    classes: ClassVar[Mapping[str, str]]
    """By ``model_type``, the class of transformers that computes the whole model."""
    towers: ClassVar[Mapping[Medium, tuple[str, ...]]]
    """By medium, the modules of that class which turn it into tokens: the tower and its projector."""
    language: ClassVar[tuple[str, ...]] = ("model.language_model", "lm_head")
    """The modules that are the language model."""
    axes: ClassVar[int] = 1
    """How many axes positions have."""
    places_of: ClassVar[Mapping[Medium, tuple[str, ...]]] = {}
    """By medium, the names of the numbers that say where a token lies."""

    def __init__(self, config: PretrainedConfig) -> None:
        self.whole = config
        self.config = self.inner(config)

    def inner(self, config: PretrainedConfig) -> PretrainedConfig:
        """The configuration of the class that computes, where ``config.json`` holds more than that. Here the same."""
        return config

    @property
    def kind(self) -> Any:
        """The class of transformers that computes the whole model."""
        import transformers

        return getattr(transformers, self.classes[self.whole.model_type])

    @property
    def hidden(self) -> int:
        """The width of the language model."""
        return int(self.config.get_text_config().hidden_size)

    @property
    def width(self) -> int:
        """How many numbers a token has: the width of the language model, unless its layers are given more."""
        return self.hidden

    def with_wide_input(self, model: Any) -> Any:
        """A language model that was loaded without its towers, taking tokens of ``width`` numbers. Here as it is."""
        return model

    @property
    def media(self) -> tuple[Medium, ...]:
        """The media that it takes."""
        return tuple(self.towers)

    def places_named(self, medium: Medium) -> tuple[str, ...]:
        """The names of the numbers that say where a token of a medium lies."""
        return self.places_of.get(medium, ())

    def hears(self, pretrained: merc.Pretrained) -> float | None:
        """The most seconds of sound that it hears of a clip; None for all of it, or for a model that hears nothing."""
        return None

    @abstractmethod
    def preparing(self, medium: Medium, pretrained: merc.Pretrained, pixels: int | None) -> Prepare:
        """The function from a clip to what the tower takes of it.

        Args:
            medium: Which of ``media``.
            pretrained: Where the preprocessor's settings are.
            pixels: The most pixels of a picture; None leaves it to the model's settings.
        """

    @abstractmethod
    def tokens(self, model: Any, medium: Medium, rows: Tensor) -> Tensor:
        """The tokens ``[tokens, hidden]`` of one clip, by the model's own tower and projector.

        Args:
            model: The class of transformers, of which no more than the towers need be there.
            medium: Which of ``media``.
            rows: What ``preparing`` gave.
        """

    @abstractmethod
    def places(self, medium: Medium, rows: Rows) -> Rows:
        """Where the tokens of one clip lie, ``[tokens, axes]``."""

    @abstractmethod
    def layout(self, medium: Medium, slot: merc.SlotTokens) -> Sequence[Piece]:
        """How a slot's tokens stand in a prompt."""

    def together(self, slots: Mapping[Medium, merc.SlotTokens]) -> Sequence[Piece] | None:
        """How slots of one utterance that follow each other stand together, by medium; None for each by itself."""
        return None

    def values(self, medium: Medium, rows: Tensor) -> Tensor:
        """The rows without the numbers that say where they lie."""
        axes = len(self.places_named(medium))
        return rows[:, : rows.shape[1] - axes]


_FAMILIES = {
    "merc_omni.qwen_vision": ("Qwen2VL", "Qwen25VL", "Qwen25Omni"),
    "merc_omni.qwen3": ("Qwen3VL", "Qwen3Omni"),
    "merc_omni.hearing": ("Qwen2Audio", "Voxtral"),
    "merc_omni.frames": ("LlavaNextVideo", "LlavaOneVision", "LlavaNext", "VideoLlava", "InternVL", "SmolVLM"),
}
"""The classes of families, by module."""


def families() -> list[type[Family]]:
    """All families."""
    return [getattr(import_module(module), name) for module, names in _FAMILIES.items() for name in names]


NOT_HERE = {
    "gemma3n": "its vision tower is timm's, which merc keeps out, and its language model looks up token numbers that "
    "media do not have",
    "gemma3n_text": "it is the language model of Gemma 3n, which looks up token numbers that media do not have",
    "phi4_multimodal": "it switches adapters of its language model by the media in a prompt, so prompts of different "
    "media would share no computation",
    "minicpmo": "its code comes with its weights, which merc does not run",
    "minicpmv": "its code comes with its weights, which merc does not run",
}
"""Models that have been looked at, by ``model_type``, and why they are no backbones here."""


def family_class(model_type: str) -> type[Family] | None:
    """The family of a ``model_type``; None where there is none."""
    return next((one for one in families() if model_type in one.classes), None)
