"""Example, an encoder: replace what it measures with what you want to measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Encoder):
    """How loud the voice is: a token each ``window`` seconds, one number per token (root mean square, 0 to 1)."""

    modality = "audio"
    window: float = 0.5

    def __post_init__(self) -> None:
        if self.window <= 0:
            raise ValueError(f"window is in seconds and above 0, not {self.window}")

    def sampling(self) -> merc.Waveform:
        """Mono sound at 16 kHz. For video give merc.Frames(count=8), for text merc.Words()."""
        return merc.Waveform(rate=16_000)

    def spec(self) -> merc.FeatureSpec:
        """One number a token, as many tokens as the clip gives."""
        return merc.FeatureSpec(dim=1)

    def load(self, device: str) -> Callable[[Sequence[Any]], list[Any]]:
        """Get ready, once a run. Import torch and the like in here, not above."""

        def encode(clips: Sequence[merc.AudioClip]) -> list[Any]:
            return [self._loudness(clip) for clip in clips]

        return encode

    def _loudness(self, clip: merc.AudioClip) -> Any:
        size = max(1, round(self.window * clip.rate))
        if not np.any(clip.samples):
            return merc.Missing("the sound is silent throughout")
        parts = [clip.samples[i : i + size] for i in range(0, len(clip.samples), size)]
        return np.array([[np.sqrt(np.mean(np.square(part)))] for part in parts], dtype=np.float32)
