"""Pictures as they come, kept as long as an utterance that goes on may need them."""

from __future__ import annotations

import io
import threading
from collections import deque

import numpy as np
import numpy.typing as npt
from PIL import Image

import merc

Pixels = npt.NDArray[np.uint8]

MOST_BYTES = 2**29
"""So large may the pixels of all kept pictures be; of more, every second picture is left out."""
_LARGEST = 4096 * 4096
_REACH = 1.0


class Pictures:
    """The last pictures of a conversation, in order: pixels, or JPEGs that are opened when they are looked at.
    Pictures come in one thread, and may be looked at in another."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Pixels | bytes]] = deque()
        self._size = 1
        self._lock = threading.Lock()
        self.thinned = False
        """Whether there were more than may be kept."""

    def add(self, at: float, picture: Pixels | bytes) -> None:
        """The picture that is shown from ``at`` seconds on. Raises MercError for one that is no picture, is larger than
        16 million pixels, or comes before the last one."""
        size = _size(picture) if isinstance(picture, bytes) else picture.nbytes
        with self._lock:
            if not 0 <= at < float("inf") or (self._kept and at < self._kept[-1][0]):
                last = f", after one of {self._kept[-1][0]:g} s" if self._kept else ""
                raise merc.MercError(f"a picture is of {at:g} s{last}; pictures come in order, in seconds from 0")
            self._kept.append((at, picture))
            self._size = max(size, 1)
            if len(self._kept) * self._size > MOST_BYTES:
                self._kept = deque([*self._kept][::2])
                self.thinned = True

    def forget(self, before: float) -> None:
        """Let go of what is older, but for the last second."""
        with self._lock:
            while self._kept and self._kept[0][0] < before - _REACH:
                self._kept.popleft()

    def between(self, start: float, end: float) -> list[tuple[float, Pixels | bytes]]:
        """The pictures that begin between two times; where none does, the one that is on show at the first."""
        with self._lock:
            pictures = [*self._kept]
        within = [one for one in pictures if start <= one[0] < end]
        return within or [one for one in pictures if one[0] < start][-1:]


def clip_of(pictures: list[tuple[float, Pixels | bytes]], start: float) -> merc.VideoClip | None:
    """Pictures as a clip that begins at ``start``; None where there are none. Those of another size than the last one
    are left out."""
    opened = [(at, _opened(picture)) for at, picture in pictures]
    opened = [one for one in opened if one[1].shape == opened[-1][1].shape]
    if not opened:
        return None
    times = np.array([max(at - start, 0.0) for at, _ in opened], np.float64)
    return merc.VideoClip(frames=np.stack([pixels for _, pixels in opened]), times=times)


def _size(data: bytes) -> int:
    """How large the pixels of a JPEG are. Raises MercError for what is none, or is too large."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            width, height = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise merc.MercError(f"{len(data)} bytes that came as a picture are no JPEG") from None
    if width * height > _LARGEST:
        raise merc.MercError(f"a picture is {width} x {height}; send smaller ones, of at most 16 million pixels")
    return 3 * width * height


def _opened(picture: Pixels | bytes) -> Pixels:
    if not isinstance(picture, bytes):
        return picture
    try:
        with Image.open(io.BytesIO(picture), formats=("JPEG",)) as image:
            pixels: Pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise merc.MercError(f"a picture cannot be opened: {error}") from None
    return pixels
