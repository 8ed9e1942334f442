"""LiveLoud, a segmenter that can be used live: speech is what is loud."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

import merc

FRAME = 0.05


@dataclass(frozen=True, kw_only=True)
class LiveLoud(merc.Segmenter):
    """A frame of 50 ms is speech where its root mean square is ``level`` or more; a span ends ``pause`` seconds after
    its last."""

    level: float = 0.02
    pause: float = 0.4

    def load(self, device: str) -> merc.SegmentFunction:
        """The stream, from the first window to the last."""

        def segment(windows: Iterable[merc.SoundWindow]) -> Iterator[merc.SpeechSpan]:
            stream = Spans(self)
            for window in windows:
                yield from stream.add(window)
            yield from stream.close()

        return segment

    def stream(self, device: str) -> Callable[[], merc.SpanStream]:
        """One for each conversation."""
        return lambda: Spans(self)


class Spans:
    """The loud parts of one conversation."""

    def __init__(self, loud: LiveLoud) -> None:
        self._loud, self._left = loud, np.zeros(0, np.float32)
        self._start: float | None = None
        self._at: float | None = None
        self._end = 0.0

    @property
    def open(self) -> merc.SpeechSpan | None:
        return None if self._start is None else merc.SpeechSpan(start=self._start, end=self._end)

    @property
    def spoken(self) -> float:
        return self._end

    def add(self, window: merc.SoundWindow) -> list[merc.SpeechSpan]:
        rate, spans = window.clip.rate, []
        self._at = window.start if self._at is None else self._at
        samples, size = np.concatenate([self._left, window.clip.samples]), round(FRAME * rate)
        frames = [samples[at : at + size] for at in range(0, len(samples) - size + 1, size)]
        self._left = samples[len(frames) * size :]
        for frame in frames:
            if np.sqrt(np.mean(np.square(frame))) >= self._loud.level:
                self._start = self._at if self._start is None else self._start
                self._end = self._at + FRAME
            elif self._start is not None and self._at + FRAME - self._end >= self._loud.pause - 1e-9:
                spans += self.close()
            self._at += FRAME
        return spans

    def close(self) -> list[merc.SpeechSpan]:
        span, self._start = self.open, None
        return [] if span is None else [span]
