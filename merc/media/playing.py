"""A recording in the order in which it was made, so that a program can take it as if it came from a microphone and a
camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merc.components.encoder import AudioClip, Frames, VideoClip
from merc.media.container import Unreadable
from merc.media.decode import Want
from merc.media.isolation import Decoders
from merc.media.limits import Limits
from merc.media.scaling import Picture

_PIECE = 2.0
_ALL = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """A stretch of a recording."""

    start: float
    """Where it begins, in seconds of the recording."""
    audio: AudioClip
    """Its sound."""
    video: VideoClip | None = None
    """All its pictures; times are seconds from ``start``. None where there are none."""


def play(path: str | Path, rate: int = 16_000, limits: Limits | None = None) -> Iterator[Moment]:
    """A recording's sound and pictures, two seconds at a time, each decoded when the one before it was taken.

    A moment begins where the one before it ended, or later, where the recording has no sound.

    Args:
        path: A file with sound.
        rate: Samples a second of the sound, which is mono.
        limits: What decoding two seconds may cost.

    Raises:
        MercError: The file is not there, has no sound, or, after what could be decoded, is damaged.
    """
    path, decoders = Path(path), Decoders(limits)
    info = decoders.probe(path)
    if not info.audio:
        raise Unreadable(f"{path.name} has no audio track, so nothing is heard in it")
    size = round(_PIECE * rate)
    last: Picture | None = None
    for window in decoders.listen(path, rate):
        starts = range(0, len(window.clip.samples), size)
        clips = [AudioClip(samples=window.clip.samples[at : at + size], rate=rate) for at in starts]
        for at, clip in zip(starts, clips, strict=True):
            start = window.start + at / rate
            seen = _seen(decoders, path, start, clip, last) if info.video else None
            last = last if seen is None else seen.frames[-1]
            yield Moment(start=start, audio=clip, video=seen)


def _seen(decoders: Decoders, path: Path, start: float, clip: AudioClip, last: Picture | None) -> VideoClip | None:
    """The pictures that begin in a stretch. Where none does, decoding gives the one that is on show, which is the
    ``last`` one of before."""
    end = start + clip.seconds
    (decoded,) = decoders.decode(path, [Want(Frames(count=_ALL), start, end)], seed=0)
    seen = decoded.clip
    if not isinstance(seen, VideoClip):
        return None
    again = last is not None and len(seen.times) == 1 and np.array_equal(seen.frames[0], last)
    return None if again else seen
