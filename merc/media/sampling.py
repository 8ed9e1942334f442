"""Which frames of a clip an encoder is given."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from merc.components.encoder import Frames

MEDIA_VERSION = 1
"""Raised when the same file and the same wish give other numbers, so that the feature store meets no old feature."""

# Containers round times to a millisecond. A target that falls on the border between two frames takes the later one,
# however its time was rounded.
_ROUNDING = 1e-3


def sample(
    times: npt.NDArray[np.float64], start: float, end: float, frames: Frames, entropy: str
) -> npt.NDArray[np.int64]:
    """Which of the frames shown at ``times`` (seconds, ascending) to take, for a span from ``start`` to ``end``.

    The indices are sorted and distinct: ``frames.count`` of them, or all where there are fewer. Parts of equal length
    in *time* are what counts, so a variable frame rate does not crowd the frames where the rate is high. Random
    draws depend on ``entropy`` alone.

    >>> sample(np.arange(10) / 25, 0.0, 0.4, Frames(count=2), "").tolist()
    [2, 7]
    >>> [sample(np.arange(10) / 25, 0.0, 0.4, Frames(count=n, strategy="middle"), "").tolist() for n in (1, 3)]
    [[5], [4, 5, 6]]
    >>> sample(np.arange(3) / 25, 0.0, 0.12, Frames(count=8), "").tolist()
    [0, 1, 2]
    >>> sample(np.arange(10) / 25, 0.04, 0.4, Frames.at(0.0, 0.1), "").tolist()
    [1, 3]
    """
    total, count = len(times), frames.count
    if frames.strategy == "times":
        return np.unique(_shown_at(times, start + np.array(frames.times)))
    if total <= count:
        return np.arange(total)
    if frames.strategy == "random":
        seed = int.from_bytes(hashlib.sha256(entropy.encode()).digest()[:8], "little")
        keys = np.random.Generator(np.random.PCG64(seed)).random(total)
        return np.sort(np.argsort(keys, kind="stable")[:count])
    first, last = max(start, float(times[0])), max(end, float(times[-1]))
    if frames.strategy == "middle":
        centre = int(_shown_at(times, np.array([(first + last) / 2]))[0])
        begin = min(max(centre - count // 2, 0), total - count)
        return np.arange(begin, begin + count)
    targets = first + (np.arange(count) + 0.5) / count * (last - first)
    return _distinct(_shown_at(times, targets), total)


def _shown_at(times: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The frame on show at each target: the last one that starts no later."""
    return np.maximum(np.searchsorted(times, targets + _ROUNDING, side="right") - 1, 0)


def _distinct(chosen: npt.NDArray[np.int64], total: int) -> npt.NDArray[np.int64]:
    """Move repeated choices to the nearest free frames, for a frame that stays on show for long is hit repeatedly."""
    steps = np.arange(len(chosen))
    # Without repeats `chosen - steps` never falls; lifting it to its running maximum parts the repeated ones, and the
    # limit keeps room for those that follow.
    lifted = np.maximum.accumulate(chosen - steps)
    moved: npt.NDArray[np.int64] = np.minimum(lifted, total - len(chosen)) + steps
    return moved
