"""Annotator ``key-frames``: the frames of a clip that differ from each other; near-duplicates go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from merc import Annotation, Annotator, Frames, Missing, Observation, VideoClip

if TYPE_CHECKING:
    from merc import AnnotateFunction

Pictures = npt.NDArray[np.uint8]
Method = Literal["difference", "flow", "orb"]

_USUAL: dict[str, float] = {"difference": 0.04, "flow": 0.01, "orb": 0.5}
_WIDTH = 320


@dataclass(frozen=True, kw_only=True)
class KeyFrames(Annotator):
    """Writes ``key_frames``, as JSON: the ``times`` of frames that differ from the key frame before them, in seconds
    from the start of the utterance, and by how much each ``differs``.

    Three measures, each from 0 (the same) to about 1: ``difference`` is the mean change of brightness, ``flow`` how far
    points move, as a share of the picture's width (dense optical flow of Farnebäck), ``orb`` the share of ORB key
    points that find no match in the other frame (Rublee et al., 2011)."""

    method: Method = "difference"
    """How frames are compared: ``difference``, ``flow`` or ``orb``."""
    least: float | None = None
    """How much a frame differs, at least, from the key frame before it; null takes 0.04 for difference, 0.01 for flow
    and 0.5 for orb."""
    most: int = 8
    """The most key frames of a clip; those that differ most stay, and the first always does."""
    frames: int = 64
    """Frames of an utterance that are compared, in equal steps."""

    def __post_init__(self) -> None:
        if self.most < 1 or self.frames < 1:
            raise ValueError(f"most and frames count from 1, not {self.most} and {self.frames}")
        if self.least is not None and not 0 <= self.least <= 1:
            raise ValueError(f"least is a measure from 0 to 1, not {self.least:g}")

    def fields(self) -> tuple[str, ...]:
        """``key_frames``."""
        return ("key_frames",)

    def video(self) -> Frames:
        """Frames in the video's own size."""
        return Frames(count=self.frames)

    def load(self, device: str) -> AnnotateFunction:
        """Nothing is loaded but OpenCV."""

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                yield one.query.target.id, self._chosen(one.video)

        return annotate

    def _chosen(self, clip: VideoClip | Missing) -> Annotation:
        if isinstance(clip, Missing):
            return Annotation(reason=clip.reason)
        least = _USUAL[self.method] if self.least is None else self.least
        chosen = key_frames(clip.frames, self.method, least)[: len(clip.frames)]
        first, *others = chosen
        chosen_frames = sorted([first, *sorted(others, key=lambda pair: -pair[1])[: self.most - 1]])
        cue = {
            "method": self.method,
            "times": [round(float(clip.times[at]), 3) for at, _ in chosen_frames],
            "differs": [round(by, 3) for _, by in chosen_frames],
            "of": len(clip.frames),
        }
        return Annotation(cues={"key_frames": json.dumps(cue)})


def key_frames(frames: Pictures, method: Method, least: float) -> list[tuple[int, float]]:
    """The frames of a clip ``[n, height, width, 3]`` that differ from the key frame before them by ``least`` or more,
    with how much they do. The first frame is one, and differs by 0."""
    grey = [_grey(frame) for frame in frames]
    differ = _MEASURES[method]
    chosen = [(0, 0.0)]
    for at in range(1, len(grey)):
        by = differ(grey[chosen[-1][0]], grey[at])
        if by >= least:
            chosen.append((at, by))
    return chosen


def key_times(text: str | None) -> list[float]:
    """The times of a cue ``key_frames``; none where it is no such cue.

    >>> key_times('{"times": [0.1, 2.5]}'), key_times(None)
    ([0.1, 2.5], [])
    """
    try:
        return [max(0.0, float(time)) for time in json.loads(text or "")["times"]]
    except (ValueError, TypeError, KeyError):
        return []


def _grey(frame: Pictures) -> Pictures:
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    height = max(1, round(grey.shape[0] * _WIDTH / grey.shape[1]))
    return np.asarray(cv2.resize(grey, (_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)


def _difference(one: Pictures, two: Pictures) -> float:
    return float(np.abs(one.astype(np.int16) - two.astype(np.int16)).mean() / 255)


def _flow(one: Pictures, two: Pictures) -> float:
    import cv2

    size = (one.shape[1] // 2, max(1, one.shape[0] // 2))
    small = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in (one, two)]
    flow = cv2.calcOpticalFlowFarneback(small[0], small[1], None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]
    return float(np.linalg.norm(flow, axis=2).mean() / size[0])


def _orb(one: Pictures, two: Pictures) -> float:
    import cv2

    orb = cv2.ORB_create(500)  # type: ignore[attr-defined]
    (first, described), (second, others) = (orb.detectAndCompute(frame, None) for frame in (one, two))
    if not first or not second:  # a picture without corners, such as a blank one
        return 0.0 if not first and not second else 1.0
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(described, others)
    near = sum(match.distance <= 48 for match in matches)
    return 1.0 - near / max(len(first), len(second))


_MEASURES: dict[str, Callable[[Pictures, Pictures], float]] = {"difference": _difference, "flow": _flow, "orb": _orb}
