"""Finding the faces in a frame, and cutting one out."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from merc_embedded.weights import MEDIAPIPE_INSTALL

Detector = Literal["full-range", "short-range", "haar"]
"""``full-range`` and ``short-range`` are BlazeFace's two networks, ``haar`` is OpenCV's older cascade."""

CERTAINTY, VOTES = 0.5, 8
"""From which probability on BlazeFace, and from how many votes on the cascade, takes something for a face."""


class Box(NamedTuple):
    """A square around a face, in pixels of the frame; it may reach beyond the frame.

    ``score`` is how sure the detector is, in its own measure: a probability, or the number of windows that agree.
    ``points`` are x and y of the right eye (of the person, so on the left in the picture), left eye, nose, mouth, right
    ear and left ear; empty where the detector does not give them.
    """

    left: int
    top: int
    size: int
    score: float
    points: tuple[tuple[float, float], ...] = ()

    @property
    def middle(self) -> tuple[float, float]:
        """x and y of its middle."""
        return self.left + self.size / 2, self.top + self.size / 2


class _Detects(Protocol):
    def detect(self, frame: npt.NDArray[np.uint8]) -> list[Box]: ...


@dataclass(frozen=True, kw_only=True)
class FaceFinder:
    """Finds faces. One finder must not be used from two threads at once."""

    detector: _Detects
    """Finds the faces of one frame."""
    smallest: float = 0.1
    """The side of the smallest face that counts, as a share of the frame's shorter side."""

    @staticmethod
    def load(
        detector: Detector = "full-range",
        *,
        smallest: float = 0.1,
        certainty: float | None = None,
        votes: int | None = None,
    ) -> FaceFinder:
        """Read a detector. ``certainty`` is BlazeFace's least probability (0.5), ``votes`` how many overlapping windows
        of the cascade must agree (8). Raises MercError when the package with its weights is not installed."""
        if detector == "haar":
            from merc_embedded.haar import HaarCascade

            return FaceFinder(detector=HaarCascade.load(smallest, votes or VOTES), smallest=smallest)
        from merc_embedded.blazeface import FULL_RANGE, SHORT_RANGE, BlazeFace

        grid = FULL_RANGE if detector == "full-range" else SHORT_RANGE
        least = CERTAINTY if certainty is None else certainty
        return FaceFinder(detector=BlazeFace.load(grid, least), smallest=smallest)

    def find(self, frame: npt.NDArray[np.uint8]) -> list[Box]:
        """The faces in a frame ``[height, width, 3]`` uint8 RGB, large and sure ones first; may be empty."""
        least = self.smallest * min(frame.shape[:2])
        boxes = [box for box in self.detector.detect(np.ascontiguousarray(frame)) if box.size >= max(1.0, least)]
        return sorted(boxes, key=lambda box: (-box.score * box.size, box.top, box.left))


def check_detector(detector: Detector, smallest: float, certainty: float | None, votes: int | None) -> None:
    """Raises ValueError, naming the parameter, where these do not suit each other or the weights are not installed."""
    if not 0 < smallest <= 1:
        raise ValueError(f"smallest is a share of the frame's shorter side, above 0 and at most 1, not {smallest}")
    if detector == "haar":
        if certainty is not None:
            raise ValueError("certainty belongs to BlazeFace; with detector: haar leave it out, or set votes")
        if votes is not None and votes < 1:
            raise ValueError(f"votes counts from 1, not {votes}")
        return
    if votes is not None:
        raise ValueError(
            f"votes belongs to detector: haar, the default of earlier versions; leave it out, or set certainty "
            f"({CERTAINTY} if it is left out)"
        )
    if certainty is not None and not 0 < certainty < 1:
        raise ValueError(f"certainty is a probability between 0 and 1, not {certainty}")
    if find_spec("mediapipe") is None:
        raise ValueError(
            f"detector: {detector} needs mediapipe's weights; install them with: pip install {MEDIAPIPE_INSTALL}, or "
            "take detector: haar, which finds fewer faces"
        )


def grey_face(frame: npt.NDArray[np.uint8], box: Box, *, margin: float = 0.1, side: int = 64) -> npt.NDArray[np.uint8]:
    """The face cut out with a margin (a share of its size on every side), grey, ``[side, side]`` uint8. What lies
    outside the frame repeats the frame's edge."""
    import cv2

    extra = round(box.size * margin)
    rows, columns = (
        np.clip(np.arange(start - extra, start + box.size + extra), 0, length - 1)
        for start, length in ((box.top, frame.shape[0]), (box.left, frame.shape[1]))
    )
    cut = cv2.cvtColor(np.ascontiguousarray(frame[rows[:, None], columns]), cv2.COLOR_RGB2GRAY)
    method = cv2.INTER_AREA if cut.shape[0] > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cut, (side, side), interpolation=method), dtype=np.uint8)
