"""What of a picture is picture: black bars, pictures that show nothing, and cuts from one shot to the next."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_BAR = 4
"""Grey values (of 255) up to this are the black of a bar; dark scenes have noise above it."""
_SHARE = 0.7
"""A line is of a bar when so much of it is black in every frame: subtitles may stand in the rest."""
_BLACK = 32
"""A frame whose brightest point is below this (of 255) is black."""
_PLAIN = 3.0
"""A frame whose values spread less than this (standard deviation, of 255) shows nothing but one colour."""
_SAME_VIEW = 0.4
"""Below this correlation of their grey histograms, and with most points changed, two frames are of two shots."""
_CHANGED = 18
"""A point has changed when its grey value differs by more (of 255): above the noise of compression."""

Frames = npt.NDArray[np.uint8]


class Area(NamedTuple):
    """A part of the picture, in pixels: rows from ``top`` to before ``bottom``, columns from ``left`` to before
    ``right``."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, frames: Frames) -> Frames:
        """The part of frames ``[n, height, width, 3]``, without a copy."""
        return frames[:, self.top : self.bottom, self.left : self.right]


def picture_area(frames: Frames) -> Area:
    """The picture without black bars, which must be there in all of the frames ``[n, height, width, 3]``; subtitles in
    a bar do not matter. All of it where there is no picture at all.

    >>> frames = np.zeros((2, 10, 8, 3), np.uint8)
    >>> frames[:, 2:9] = 90
    >>> picture_area(frames)
    Area(top=2, bottom=9, left=0, right=8)
    """
    height, width = frames.shape[1:3]
    rows = _between_bars(frames)
    if rows is None:
        return Area(0, height, 0, width)
    columns = _between_bars(frames[:, slice(*rows)].swapaxes(1, 2))
    return Area(*rows, *(columns or (0, width)))


def _between_bars(lines: Frames) -> tuple[int, int] | None:
    """Where the lines ``[n, lines, points, 3]`` that are no bars begin and end; None where all are bars. It looks from
    the outside, so a picture without bars is not looked through."""
    count = lines.shape[1]
    first = next((at for at in range(count) if not _is_bar(lines[:, at])), None)
    if first is None:
        return None
    return first, next(at for at in range(count, first, -1) if not _is_bar(lines[:, at - 1]))


def _is_bar(line: Frames) -> bool:
    """Whether a line ``[n, points, 3]`` is of a bar in every frame."""
    brightest = np.maximum(np.maximum(line[..., 0], line[..., 1]), line[..., 2])
    return bool((brightest <= _BAR).mean(-1).min() >= _SHARE)


def shows_nothing(frames: Frames) -> str | None:
    """Why frames ``[n, height, width, 3]`` show nothing: they are black, or of one colour; None where they do not."""
    count = f"all {len(frames)} frames" if len(frames) > 1 else "its frame"
    if frames.max() < _BLACK:
        return f"the picture is black in {count}"
    if all(is_plain(frame) for frame in frames):
        return f"the picture is of one colour in {count}"
    return None


def is_plain(frame: Frames) -> bool:
    """Whether a frame ``[height, width]`` or ``[height, width, 3]`` is of one colour."""
    return float(frame.std(axis=(0, 1)).max()) < _PLAIN


def small_grey(frame: Frames) -> Frames:
    """A frame in grey, at most 160 points wide: finer grain is noise."""
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    scale = min(1.0, 160 / grey.shape[1])
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def changed_points(one: Frames, two: Frames) -> npt.NDArray[np.bool_]:
    """Which points of two frames of ``small_grey`` differ by more than noise."""
    return np.abs(one.astype(np.int16) - two) > _CHANGED


def find_cuts(frames: Frames) -> npt.NDArray[np.bool_]:
    """Whether there is a cut to another shot between a frame and the next: ``[n - 1]`` for frames ``[n, height, width,
    3]``, which may be samples of a clip at any distance.

    A cut changes most of the points and the distribution of grey values; who or what moves changes one of the two.
    """
    small = [small_grey(frame) for frame in frames]
    return np.array([is_cut(one, two) for one, two in itertools.pairwise(small)], bool)


def is_cut(one: Frames, two: Frames) -> bool:
    """Whether two frames of ``small_grey`` are of two shots."""
    if changed_points(one, two).mean() <= 0.5:
        return False
    bars = [np.histogram(frame, 32, (0, 256))[0] for frame in (one, two)]
    alike = float(np.corrcoef(bars)[0, 1]) if all(bar.std() > 0 for bar in bars) else 1.0
    return bool(alike < _SAME_VIEW)
