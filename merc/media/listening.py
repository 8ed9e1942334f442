"""The sound of a whole recording in windows, so that one of hours takes no more memory than one of a minute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from merc.components.segmenter import SoundWindow
from merc.media.audio import JITTER, Samples, frames, resample, tolerance_of
from merc.media.container import Media, Unreadable, opened

WINDOW_SECONDS = 30.0


def listen_here(path: Path, rate: int, seconds: float = WINDOW_SECONDS) -> Iterator[SoundWindow]:
    """The sound of a file, mono at ``rate`` Hz, in windows of at most ``seconds``, decoded in this process.

    A window begins where the one before it ended; where there is no sound in between (the picture runs ahead, packets
    are lost), it begins later. Raises Unreadable, after the windows that there are, for a file of which not all could
    be heard, and at once for one without an audio track.
    """
    with opened(path) as media:
        yield from _windows(media, rate, seconds)


def _windows(media: Media, rate: int, seconds: float) -> Iterator[SoundWindow]:
    name, stream = media.path.name, media.audio
    if stream is None:
        raise Unreadable(f"{name} has no audio track")
    faults: list[str] = []
    pieces: list[Samples] = []
    start = reached = heard = 0.0
    strange = source = 0

    def window() -> SoundWindow | None:
        nonlocal strange
        samples = np.concatenate(pieces)
        pieces.clear()
        if not_numbers := int(np.count_nonzero(~np.isfinite(samples))):
            strange += not_numbers
            return None
        return SoundWindow(start=start, clip=resample(samples, source, rate))

    first: float | None = None
    for at, source, samples in _short(frames(media, stream, 0.0, faults), seconds):
        first = at if first is None else first
        if pieces and abs(at - reached) >= JITTER and (done := window()):
            yield done
        start = start if pieces else max(at, 0.0)
        pieces.append(samples)
        heard += len(samples) / source
        reached = at + len(samples) / source
        if reached - start >= seconds and (done := window()):
            yield done
    if pieces and (done := window()):
        yield done
    if fault := _fault(media, heard, reached - (first or 0.0), reached, source, strange):
        raise Unreadable(f"{name}{fault}{f' ({faults[0]})' if faults else ''}")


def _short(decoded: Iterable[tuple[float, int, Samples]], seconds: float) -> Iterator[tuple[float, int, Samples]]:
    """Frames of at most so many seconds: some files hold all of their sound in one."""
    for at, rate, samples in decoded:
        size = max(round(seconds * rate), 1)
        for first in range(0, len(samples), size):
            yield at + first / rate, rate, samples[first : first + size]


def _fault(media: Media, heard: float, span: float, reached: float, source: int, strange: int) -> str:
    """What of a track could not be heard, if anything."""
    stream = media.audio
    assert stream is not None
    if not heard:
        return " has an audio track that holds no sound"
    tolerance = tolerance_of(stream, source)
    if strange:
        return (
            f": {strange} of its samples {'is' if strange == 1 else 'are'} no number; the windows that hold "
            f"{'it' if strange == 1 else 'them'} are left out"
        )
    if cut := media.cut_short(reached, stream, tolerance):
        return f" is cut short or damaged: {cut}"
    return f": {heard:.2f} s of audio could be decoded of {span:.2f} s" if heard < span - tolerance else ""
