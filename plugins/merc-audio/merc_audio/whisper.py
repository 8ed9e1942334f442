"""Encoder ``whisper``: what a Whisper model hears, before it turns it into words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from merc_audio.speech import RATE, STEP, SpeechTransformer, configuration, source

if TYPE_CHECKING:
    from merc_audio.nets import SpeechNetwork


@dataclass(frozen=True, kw_only=True)
class Whisper(SpeechTransformer):
    """The states of a Whisper encoder (arXiv 2212.04356), such as ``openai/whisper-large-v3``, as Emotion-LLaMAv2 uses
    it (5.1). The decoder is not kept.

    Whisper hears windows of 30 s, 50 states a second; longer sound is heard in several windows. Only states that lie on
    the sound itself count, not those of the silence that fills up the last window. It may learn.
    """

    model_type = "whisper"

    @staticmethod
    def _width(config: dict[str, Any]) -> int:
        return int(config.get("d_model", 384))

    @staticmethod
    def _network(config: dict[str, Any]) -> Any:
        from transformers import WhisperConfig
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        return WhisperEncoder(WhisperConfig.from_dict(config))

    def _module(self, dtype: str) -> SpeechNetwork:
        import torch
        from transformers import WhisperConfig
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        from merc_audio.nets import WhisperNetwork

        config = WhisperConfig.from_dict(configuration(self.model_type, self.path, self.revision, own=True))
        net = source(self.model_type, self.path, self.revision).network(
            WhisperEncoder, config=config, key_mapping={r"^(model\.)?encoder\.": ""}, dtype=getattr(torch, dtype)
        )
        return WhisperNetwork(net, self.tokens, self.pad, RATE, STEP)

    def _state_count(self, count: int) -> int:
        window = configuration(self.model_type, self.path, self.revision).get("max_source_positions", 1500) * STEP
        whole, rest = divmod(count, window)
        return int(whole * window // STEP + math.ceil(rest / STEP))
