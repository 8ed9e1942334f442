"""Sound as audio towers take it: the log-mel spectrogram of Whisper."""

from __future__ import annotations

from typing import Any

import numpy as np

import merc
from merc_omni.family import Prepare, Rows
from merc_omni.pictures import settings

RATE = 16_000


def extractor(pretrained: merc.Pretrained, mels: int, longest: int) -> Any:
    """transformers' own feature extractor, which needs numpy alone, with the model's settings.

    Args:
        pretrained: Where the settings are.
        mels: How many bands, where they do not say.
        longest: Seconds that it takes at most, where they do not say.
    """
    from transformers import WhisperFeatureExtractor

    own = settings(pretrained, "audio", {"feature_size": mels, "chunk_length": longest})
    names = ("feature_size", "sampling_rate", "hop_length", "chunk_length", "n_fft", "padding_value", "dither")
    return WhisperFeatureExtractor(**{name: own[name] for name in names if name in own})


def spectrograms(pretrained: merc.Pretrained, mels: int, longest: int | None) -> Prepare:
    """The function from a clip to the columns of its spectrogram ``[columns, mels]``, no more than it has sound.

    Args:
        pretrained: Where the settings are.
        mels: How many bands, where they do not say.
        longest: Seconds that are heard at most, where they do not say, with silence behind what is shorter; None for
            all there is, with nothing behind it.
    """
    make = extractor(pretrained, mels, longest or 300)
    hop, most = make.hop_length, make.n_samples if longest else None

    def prepare(clip: merc.AudioClip) -> Rows | merc.Missing:
        samples = clip.samples[:most]
        if len(samples) <= 3 * hop:
            return merc.Missing(f"its sound of {clip.seconds:.2g} s is too short for one token")
        # Silence after it, as far as a window reaches; what padding to the full length gives is the same.
        padded = -(-(len(samples) + make.n_fft) // hop) * hop
        padding = {"padding": "max_length", "max_length": padded} if longest else {"padding": True, "truncation": False}
        made = make(samples, sampling_rate=RATE, return_attention_mask=True, return_tensors="np", **padding)
        columns = int(made["attention_mask"][0].sum())
        return np.ascontiguousarray(made["input_features"][0, :, :columns].T, dtype=np.float32)

    return prepare
