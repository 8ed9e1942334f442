"""Segmenter ``speaker-clusters``: who speaks, by grouping the voices of a recording."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from merc import MercError, Segmenter, SegmentFunction, SoundWindow, SpeechSpan, Waveform, at_least
from merc_speech.silero import Silero
from merc_speech.voices import RATE, WINDOW, Vectors, network, voice_function

HOP = 0.4
"""Seconds from one window of a voice to the next."""
_PIECE = 4
"""Windows that are averaged before voices are grouped: 2.8 seconds."""
_MOST = 2000
"""So many pieces are grouped at most, evenly taken from the recording; the others go to the nearest group."""
_SWITCH = 0.35
"""What another speaker within a span must win, summed over windows in similarity, to count."""
_CLOSE = 0.02
"""Where another voice is as similar but for so much, the speaker is unsure."""


@dataclass(frozen=True, kw_only=True)
class SpeakerClusters(Segmenter):
    """Who speaks: the voice of each stretch of speech becomes a vector (a GE2E network, Apache-2.0), and the vectors of
    the recording are grouped (agglomerative clustering by cosine distance, average linkage).

    Speakers are called ``speaker-1``, ``speaker-2``, ... by when they first speak. A span in which the voice changes is
    divided there. All voices must be heard before the first span is known; beside the sound that is worked on, a vector
    each 0.4 s of speech is kept, 9 MB an hour.
    """

    speech: Segmenter = field(default_factory=Silero)
    """What finds speech."""
    speakers: int | None = None
    """How many people speak; null finds it out by ``threshold``."""
    threshold: float = 0.3
    """The cosine distance from which on two groups of voices are two speakers."""

    def __post_init__(self) -> None:
        at_least(1, self, "speakers")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold is a cosine distance between 0 and 1, not {self.threshold}")

    def sampling(self) -> Waveform:
        """16 kHz, as the network was trained."""
        return Waveform(rate=RATE)

    def load(self, device: str) -> SegmentFunction:
        """Read the network, and what finds speech. Raises MercError where that wants sound at another rate."""
        if self.speech.sampling().rate != RATE:
            raise MercError(
                f"segmenter speaker-clusters hears {RATE} Hz, and its speech {type(self.speech).__name__} wants "
                f"{self.speech.sampling().rate} Hz; give another"
            )
        find, voices = self.speech.load(device), voice_function(network().to(device), device, HOP)

        def segment(windows: Iterable[SoundWindow]) -> Iterator[SpeechSpan]:
            spans, vectors = [], []
            for span, samples in spans_with_sound(find, windows):
                spans.append(span)
                vectors.append(voices(samples))
            if spans:
                centres = self._speakers(vectors)
                yield from _named(
                    part for span, own in zip(spans, vectors, strict=True) for part in _parts(span, own, centres)
                )

        return segment

    def _speakers(self, vectors: Sequence[Vectors]) -> Vectors:
        """The mean voice of each speaker ``[speakers, 256]``, of length 1."""
        from sklearn.cluster import AgglomerativeClustering

        pieces = [own[at : at + _PIECE].mean(0) for own in vectors for at in range(0, len(own), _PIECE)]
        # A single window is a poor piece; it counts where there are no others.
        sizes = [len(own[at : at + _PIECE]) for own in vectors for at in range(0, len(own), _PIECE)]
        good = [piece for piece, size in zip(pieces, sizes, strict=True) if size > 1]
        few = self.speakers is not None and len(good) < self.speakers
        chosen = np.stack(pieces if few or len(good) < 2 else good)
        chosen = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), _MOST)).round().astype(int)]
        if len(chosen) < 2 or (self.speakers or 2) < 2:
            return _unit(chosen.mean(0, keepdims=True))
        groups = AgglomerativeClustering(
            n_clusters=None if self.speakers is None else min(self.speakers, len(chosen)),
            distance_threshold=self.threshold if self.speakers is None else None,
            metric="cosine", linkage="average",
        ).fit_predict(chosen)  # fmt: skip
        return _unit(np.stack([chosen[groups == group].mean(0) for group in range(groups.max() + 1)]))


def spans_with_sound(
    find: SegmentFunction, windows: Iterable[SoundWindow]
) -> Iterator[tuple[SpeechSpan, npt.NDArray[np.float32]]]:
    """Each span with its samples. Of the windows only those are kept that a span to come may reach back into."""
    recent: deque[SoundWindow] = deque()

    def heard() -> Iterator[SoundWindow]:
        for window in windows:
            recent.append(window)
            while len(recent) > 2 and recent[-1].end - recent[0].end > _REACH:
                recent.popleft()
            yield window

    for span in find(heard()):
        parts = [_cut(window, span) for window in recent]
        yield span, np.concatenate([part for part in parts if len(part)] or [np.zeros(1, np.float32)])


_REACH = 90.0
"""How far back a span may lie that is given now, in seconds."""


def _cut(window: SoundWindow, span: SpeechSpan) -> npt.NDArray[np.float32]:
    first = max(round((span.start - window.start) * window.clip.rate), 0)
    last = max(round((span.end - window.start) * window.clip.rate), 0)
    return window.clip.samples[first:last]


def _parts(span: SpeechSpan, vectors: Vectors, centres: Vectors) -> Iterator[tuple[SpeechSpan, int]]:
    """A span, divided where the voice changes: each part with the number of its speaker."""
    similarity = vectors @ centres.T
    path = likeliest_path(similarity, _SWITCH)
    start = 0
    for at in range(1, len(path) + 1):
        if at < len(path) and path[at] == path[start]:
            continue
        own = similarity[start:at]
        others = np.delete(own, path[start], axis=1)
        margin = float(np.mean(own[:, path[start]] - others.max(1))) if others.shape[1] else 1.0
        # The border between two voices is in the middle between the windows that hold them.
        begins = span.start if start == 0 else span.start + (start - 0.5) * HOP + WINDOW / 2
        ends = span.end if at == len(path) else span.start + (at - 0.5) * HOP + WINDOW / 2
        if ends > begins:
            unsure = "the voice is as like another speaker's" if margin < _CLOSE else None
            yield replace(span, start=begins, end=ends, unsure=unsure), int(path[start])
        start = at


def likeliest_path(similarity: npt.NDArray[np.float32], switch: float) -> npt.NDArray[np.int64]:
    """Which speaker each window is of: the row of numbers whose similarities add up to most, less ``switch`` for each
    change (Viterbi).

    >>> likeliest_path(np.array([[1, 0], [0.4, 0.5], [1, 0], [0, 1], [0, 1]], np.float32), 0.3).tolist()
    [0, 0, 0, 1, 1]
    """
    count, speakers = similarity.shape
    score, back = similarity[0].astype(float), np.zeros((count, speakers), np.int64)
    for at in range(1, count):
        best = int(score.argmax())
        changes = score[best] - switch > score
        back[at] = np.where(changes, best, np.arange(speakers))
        score = np.where(changes, score[best] - switch, score) + similarity[at]
    path = np.empty(count, np.int64)
    path[-1] = score.argmax()
    for at in range(count - 1, 0, -1):
        path[at - 1] = back[at, path[at]]
    return path


def _named(parts: Iterable[tuple[SpeechSpan, int]]) -> Iterator[SpeechSpan]:
    names: dict[int, str] = {}
    for span, number in parts:
        yield replace(span, speaker=names.setdefault(number, f"speaker-{len(names) + 1}"))


def _unit(vectors: npt.NDArray[np.float32]) -> Vectors:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
