"""Backbone ``omni``: the language model of a native multimodal model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import merc
from merc_omni.encoders import Tower
from merc_omni.family import Family, Piece
from merc_omni.models import Model

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class Omni(merc.HuggingFace):
    """A native multimodal model of transformers, from a folder or from the hub, such as ``Qwen/Qwen2.5-Omni-7B``.

    Its towers are the encoders ``omni-image``, ``omni-video`` and ``omni-audio`` with the same ``path``, under the
    connector ``identity``; they run once and their tokens are kept, and the language model is loaded without them. Any
    other encoder, connector or fuser may stand beside them.
    """

    audio_in_video: bool = False
    """Whether a video and the sound of the same utterance, where their slots follow each other, are put side by side by
    time, as the Qwen-Omni models have a video with its sound; else each stands by itself."""

    @property
    def model(self) -> Model:
        """The model."""
        return Model(self.path, "backbone.path", self.revision)

    @property
    def family(self) -> Family:
        """The model's family. Raises MercError for a model of none."""
        return self.model.family()

    @property
    def axes(self) -> int:  # type: ignore[override]
        """How many axes its positions have."""
        return self.family.axes

    def config(self) -> PretrainedConfig:
        """The configuration alone; of some public models (merc_omni/shapes.py) it is known without the hub."""
        return self.family.config

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer that belongs to the model, with its chat template."""
        from merc_omni.chat import with_template

        return with_template(super().tokenizer(), self.model.pretrained)

    def load(self, device: str) -> PreTrainedModel:
        """The language model in ``dtype`` on the device, without its towers."""
        model: PreTrainedModel = self.model.network(self.family.language, self.dtype)
        return model.to(device)

    def shape(self) -> PreTrainedModel:
        """The language model without its weights and towers."""
        return self.model.shape(self.family.language, self.dtype)  # type: ignore[no-any-return]

    def check(self) -> None:
        """See that configuration, tokenizer and all weights are there, those of the towers too."""
        self.model.family()  # first, since another model's tokenizer may be none that can be read
        self.model.pretrained.check_no_adapter()
        self.tokenizer()
        self.model.check()

    def slot(self, slot: merc.SlotTokens) -> Sequence[Piece]:
        """The tokens of its own towers as the model was trained to read them; those of any other encoder one after the
        other. Raises MercError for a tower of another family."""
        encoder = slot.encoder
        if not isinstance(encoder, Tower):
            return super().slot(slot)
        family, own = self.family, encoder.family()
        if type(own) is not type(family):
            raise merc.MercError(
                f"encoders.{slot.stream}: its path {encoder.path!r} is a {own.whole.model_type}, and the backbone is a "
                f"{family.whole.model_type}; give both the same path"
            )
        return family.layout(encoder.medium, slot)

    def together(self, slots: Sequence[merc.SlotTokens]) -> Sequence[Piece] | None:
        """A video with its sound, where ``audio_in_video`` asks for it and the model knows it."""
        towers = [slot.encoder for slot in slots]
        if not self.audio_in_video or not all(isinstance(tower, Tower) for tower in towers):
            return None
        by_medium = {tower.medium: slot for tower, slot in zip(towers, slots, strict=True) if isinstance(tower, Tower)}
        return self.family.together(by_medium) if len(by_medium) == len(slots) else None
