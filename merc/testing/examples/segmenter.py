"""Example, a segmenter: replace how it finds speech with your way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

import merc

FRAME = 0.05


@dataclass(frozen=True, kw_only=True)
class Example(merc.Segmenter):
    """Speech is what is loud."""

    level: float = 0.02
    """The root mean square from which on a frame is loud, from 0 to 1."""
    pause: float = 0.3
    """The longest pause within a span, in seconds."""

    def load(self, device: str) -> merc.SegmentFunction:
        """Get ready, once. Load a network in here."""
        return self._spans

    def _spans(self, windows: Iterable[merc.SoundWindow]) -> Iterator[merc.SpeechSpan]:
        loud: list[float] = []
        for start, end in self._loud(windows):
            if loud and start - loud[1] > self.pause:
                yield merc.SpeechSpan(start=loud[0], end=loud[1])
                loud = []
            loud = [loud[0] if loud else start, end]
        if loud:
            yield merc.SpeechSpan(start=loud[0], end=loud[1])

    def _loud(self, windows: Iterable[merc.SoundWindow]) -> Iterator[tuple[float, float]]:
        """The start and end of each loud frame, in seconds of the recording."""
        for window in windows:
            samples, rate = window.clip.samples, window.clip.rate
            size = round(FRAME * rate)
            for at in range(0, len(samples), size):
                frame = samples[at : at + size]
                if np.sqrt(np.mean(np.square(frame))) >= self.level:
                    yield window.start + at / rate, window.start + (at + len(frame)) / rate
