"""468 points of a face (Kartynnik et al., 2019, arXiv 1907.06724), by the network that the package ``mediapipe``
carries; of these, how far the mouth is open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merc_embedded.face import Box
from merc_embedded.litert import LiteNetwork
from merc_embedded.weights import MEDIAPIPE_INSTALL, Weights

WEIGHTS = Weights(
    package="mediapipe",
    distribution="mediapipe",
    file="modules/face_landmark/face_landmark.tflite",
    sha256="1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    install=MEDIAPIPE_INSTALL,
)

AROUND = 1.5
"""The network sees a square of so many sizes of the box."""
UPPER_LIP, LOWER_LIP, FOREHEAD, CHIN = 13, 14, 10, 152
"""Points of the mesh: the inner edges of the lips in their middle, the top of the face, its lowest point."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceMesh:
    """Finds the points of a face whose place is known. It must not be used from two threads at once."""

    network: LiteNetwork
    """The mesh without attention."""
    certainty: float = 0.5
    """The least probability that there is a face."""

    @staticmethod
    def load() -> FaceMesh:
        """Read the network. Raises MercError when ``mediapipe``, which carries it, or LiteRT is not installed."""
        return FaceMesh(network=LiteNetwork.load(WEIGHTS))

    def points(self, frame: npt.NDArray[np.uint8], box: Box) -> npt.NDArray[np.float64] | None:
        """468 points ``[468, 3]`` of a face in a frame ``[height, width, 3]`` uint8 RGB: x and y in pixels of the
        frame, and depth in pixels, smaller nearer; None where the network sees no face."""
        import cv2

        side = self.network.side
        scale = side / (AROUND * box.size)
        cos, sin = np.cos(_tilt(box)) * scale, np.sin(_tilt(box)) * scale
        x, y = box.middle
        # the middle of the box becomes the middle of the square, and the eyes stand level
        into = np.array([[cos, sin, side / 2 - cos * x - sin * y], [-sin, cos, side / 2 + sin * x - cos * y]])
        square = cv2.warpAffine(np.ascontiguousarray(frame), into, (side, side), flags=cv2.INTER_LINEAR)
        by_size = {one.size: one for one in self.network(square.astype(np.float32) / 255)}
        if 1 / (1 + np.exp(-float(by_size[1].ravel()[0]))) < self.certainty:
            return None
        points = by_size[468 * 3].reshape(468, 3).astype(np.float64)
        back = np.linalg.inv(np.vstack([into, [0, 0, 1]]))[:2]
        return np.column_stack([points[:, :2] @ back[:, :2].T + back[:, 2], points[:, 2] / scale])


def _tilt(box: Box) -> float:
    """The angle of the line through the eyes, in radians, clockwise as one sees the picture; 0 where it is unknown."""
    if not box.points:
        return 0.0
    (x, y), (right, down) = box.points[:2]
    return float(np.arctan2(down - y, right - x))


def mouth_opening(points: npt.NDArray[np.float64]) -> float:
    """How far the lips of a mesh ``[468, 3]`` are apart, in heights of the face: 0 is a closed mouth."""
    height = np.linalg.norm(points[FOREHEAD] - points[CHIN])
    return float(np.linalg.norm(points[UPPER_LIP] - points[LOWER_LIP]) / height) if height else 0.0
