"""From the probability of speech, chunk by chunk, to spans of speech."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from merc import SpeechSpan


@dataclass(kw_only=True)
class SpanFinder:
    """Finds spans in a row of chunks. Speech sets in with a chunk whose probability is ``threshold`` or more, and goes
    on while chunks are at most ``_LESS`` less probable; a span ends when there was none for ``pause`` seconds. It is
    kept if it lasts ``shortest`` seconds, and is cut where speech is least probable when it reaches ``longest``;
    ``pad`` seconds before and after it belong to it."""

    threshold: float
    pause: float
    shortest: float
    longest: float
    pad: float
    _probabilities: list[tuple[float, float]] = field(default_factory=list)
    _start: float | None = None
    _last: float = 0.0
    _heard: float = 0.0
    _previous: float = 0.0
    _cut: bool = False

    @property
    def open(self) -> SpeechSpan | None:
        """The span that goes on, as it would be if nobody spoke any more; None where it would not be kept."""
        if self._start is None or self._last - self._start < self.shortest:
            return None
        return self._span(self._start - (0 if self._cut else self.pad), self._last + self.pad)

    @property
    def spoken(self) -> float:
        """Until when somebody was last heard, in seconds."""
        return self._last

    def add(self, start: float, end: float, probability: float) -> Iterator[SpeechSpan]:
        """A chunk, from ``start`` to ``end`` seconds; gives the spans that are known with it."""
        self._heard = end
        if self._start is None:
            if probability < self.threshold:
                return
            self._start, self._cut, self._probabilities = start, False, []
        if probability >= max(self.threshold - _LESS, 0.01):
            self._last = end
        self._probabilities.append((start, probability))
        if end - self._last >= self.pause:
            yield from self.close()
        elif end - self._start >= self.longest:
            middle = self._start + self.longest / 2
            at, _ = min(((at, p) for at, p in self._probabilities if at >= middle), key=lambda one: (one[1], -one[0]))
            yield self._over(self._span(self._start - (0 if self._cut else self.pad), at))
            self._start, self._cut = at, True
            self._probabilities = [one for one in self._probabilities if one[0] >= at]

    def close(self) -> Iterator[SpeechSpan]:
        """The span that is open, at its end or where the sound ends."""
        if (span := self.open) is not None:
            yield self._over(span)
        self._start = None

    def _span(self, start: float, end: float) -> SpeechSpan:
        return SpeechSpan(start=max(start, self._previous, 0.0), end=min(end, self._heard))

    def _over(self, span: SpeechSpan) -> SpeechSpan:
        self._previous = span.end
        return span


_LESS = 0.15
