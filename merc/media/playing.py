"""A recording in the order in which it was made, so that a program can take it as if it came from a microphone and a
camera."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merc.components.encoder import AudioClip, Frames, Missing, VideoClip
from merc.components.segmenter import SoundWindow
from merc.media.container import Unreadable
from merc.media.decode import Want
from merc.media.isolation import Decoders
from merc.media.limits import Limits
from merc.media.probe import MediaInfo
from merc.media.scaling import Picture

_PIECE = 2.0
_STRETCH = 20.0
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
    info = _with_sound(decoders, path)
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


def listen(path: str | Path, rate: int = 16_000, limits: Limits | None = None) -> Iterator[SoundWindow]:
    """A recording's sound in windows of at most 30 seconds, so that hours take no more memory than a minute.

    A window begins where the one before it ended, or later, where the recording has no sound.

    Args:
        path: A file with sound.
        rate: Samples a second of the sound, which is mono.
        limits: What decoding a window may cost.

    Raises:
        MercError: The file is not there, has no sound, or, after what could be decoded, is damaged.
    """
    path, decoders = Path(path), Decoders(limits)
    _with_sound(decoders, path)
    yield from decoders.listen(path, rate)


def watch(path: str | Path, size: tuple[int, int], limits: Limits | None = None) -> Iterator[VideoClip]:
    """A recording's pictures, all of them, 20 seconds at a time; times are seconds of the recording.

    Args:
        path: A file with pictures.
        size: Height and width in pixels that pictures are scaled to.
        limits: What decoding 20 seconds may cost.

    Raises:
        MercError: The file is not there, has no pictures, does not state how long it is, or cannot be decoded.
    """
    path, decoders = Path(path), Decoders(limits)
    info = decoders.probe(path)
    if not info.video:
        raise Unreadable(f"{path.name} has no pictures, so nothing is seen in it")
    if info.seconds is None:
        raise Unreadable(f"{path.name} does not state how long it is; convert it, such as with ffmpeg")
    last: Picture | None = None
    for piece in range(max(1, math.ceil(info.seconds / _STRETCH))):
        start = piece * _STRETCH
        want = Want(Frames(count=_ALL, size=size), start, start + _STRETCH)
        (decoded,) = decoders.decode(path, [want], seed=0)
        if isinstance(decoded.clip, Missing):
            if piece:  # the sound may go on when the pictures have ended
                return
            raise Unreadable(f"{path.name}: {decoded.clip.reason}")
        assert isinstance(decoded.clip, VideoClip)
        if _is_again(decoded.clip, last):
            continue
        last = decoded.clip.frames[-1]
        yield VideoClip(frames=decoded.clip.frames, times=decoded.clip.times + start)


def _with_sound(decoders: Decoders, path: Path) -> MediaInfo:
    """What a recording states of itself. Raises Unreadable for one without sound."""
    info = decoders.probe(path)
    if not info.audio:
        raise Unreadable(f"{path.name} has no audio track, so nothing is heard in it")
    return info


def _seen(decoders: Decoders, path: Path, start: float, clip: AudioClip, last: Picture | None) -> VideoClip | None:
    """The pictures that begin in a stretch; None where none does."""
    end = start + clip.seconds
    (decoded,) = decoders.decode(path, [Want(Frames(count=_ALL), start, end)], seed=0)
    seen = decoded.clip
    if not isinstance(seen, VideoClip):
        return None
    return None if _is_again(seen, last) else seen


def _is_again(seen: VideoClip, last: Picture | None) -> bool:
    """Whether no picture begins in a stretch: decoding then gives the ``last`` one, which is still on show."""
    return last is not None and len(seen.times) == 1 and np.array_equal(seen.frames[0], last)
