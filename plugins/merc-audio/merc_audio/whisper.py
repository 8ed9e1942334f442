"""Encoder ``whisper``: what a Whisper model hears, before it turns it into words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from merc import AudioClip
from merc_audio.speech import RATE, STEP, SpeechTransformer, configuration, source

if TYPE_CHECKING:
    from torch import Tensor

FORWARD = 4
"""Windows a forward pass."""


@dataclass(frozen=True, kw_only=True)
class Whisper(SpeechTransformer):
    """The states of a Whisper encoder (arXiv 2212.04356), such as ``openai/whisper-large-v3``, as Emotion-LLaMAv2 uses
    it (5.1). The decoder is not kept.

    Whisper hears windows of 30 s, 50 states a second; longer sound is heard in several windows. Only states that lie on
    the sound itself count, not those of the silence that fills up the last window.
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

    def _states(self, device: str) -> Callable[[Sequence[AudioClip]], list[Tensor]]:
        import torch
        from transformers import WhisperConfig, WhisperFeatureExtractor
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        config = WhisperConfig.from_dict(configuration(self.model_type, self.path, self.revision, own=True))
        dtype = getattr(torch, self.dtype)
        net = source(self.model_type, self.path, self.revision).network(
            WhisperEncoder, config=config, key_mapping={r"^(model\.)?encoder\.": ""}, dtype=dtype
        )
        net = net.to(device)
        window = config.max_source_positions * STEP
        spectrogram = WhisperFeatureExtractor(feature_size=config.num_mel_bins, chunk_length=window // RATE)

        def hear(windows: Sequence[Any]) -> list[Tensor]:
            mel = spectrogram(windows, sampling_rate=RATE, return_tensors="pt")["input_features"]
            states = net(mel.to(device, dtype)).last_hidden_state
            return [row[: math.ceil(len(one) / STEP)] for row, one in zip(states, windows, strict=True)]

        def states(clips: Sequence[AudioClip]) -> list[Tensor]:
            cut = [[clip.samples[at : at + window] for at in range(0, len(clip.samples), window)] for clip in clips]
            windows = [one for of_clip in cut for one in of_clip]
            heard = iter([row for at in range(0, len(windows), FORWARD) for row in hear(windows[at : at + FORWARD])])
            return [torch.cat([next(heard) for _ in of_clip]) for of_clip in cut]

        return states
