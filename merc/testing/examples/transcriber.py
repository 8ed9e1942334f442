"""Example, a transcriber: replace how it hears words with your way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import merc

FRAME = 0.05


@dataclass(frozen=True, kw_only=True)
class Example(merc.Transcriber):
    """Writes "la" for each stretch of sound that is loud."""

    level: float = 0.02
    """The root mean square from which on a frame is loud, from 0 to 1."""

    def load(self, device: str) -> merc.TranscribeFunction:
        """Get ready, once. Load a network in here."""

        def transcribe(clips: Sequence[merc.AudioClip]) -> list[merc.Transcript | merc.Missing]:
            return [self._heard(clip) for clip in clips]

        return transcribe

    def _heard(self, clip: merc.AudioClip) -> merc.Transcript | merc.Missing:
        size = max(1, round(FRAME * clip.rate))
        frames = [clip.samples[at : at + size] for at in range(0, len(clip.samples), size)]
        loud = [False, *(np.sqrt(np.mean(np.square(frame))) >= self.level for frame in frames), False]
        starts = [at for at in range(len(frames)) if loud[at + 1] and not loud[at]]
        ends = [at + 1 for at in range(len(frames)) if loud[at + 1] and not loud[at + 2]]
        if not starts:
            return merc.Missing("nothing in it is loud")
        words = [
            merc.Word(text="la", start=start * FRAME, end=min(end * FRAME, clip.seconds))
            for start, end in zip(starts, ends, strict=True)
        ]
        return merc.Transcript(words=tuple(words))
