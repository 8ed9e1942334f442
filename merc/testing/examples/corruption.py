"""Example, a corruption: replace what it does to a clip with what yours does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Corruption):
    """Sound that is cut off at a level, as by a microphone that is too near. ``severities`` are shares of the loudest
    sample that are lost, above 0 and below 1. ``streams`` names the encoders that hear it; none stands for all of
    sound."""

    modalities = ("audio",)
    unit = "of the level"
    severities: tuple[float, ...] = (0.5, 0.9)

    def fault(self, severity: float) -> str | None:
        """What is wrong with a severity, as the end of a sentence."""
        return None if 0 < severity < 1 else "is no share above 0 and below 1"

    def apply(self, clip: merc.Clip, severity: float, rng: np.random.Generator) -> merc.Clip:
        """The clip as it is then. Random numbers would come from ``rng``."""
        assert isinstance(clip, merc.AudioClip)
        most = np.float32((1 - severity) * np.abs(clip.samples).max())
        return merc.AudioClip(samples=np.clip(clip.samples, -most, most), rate=clip.rate)
