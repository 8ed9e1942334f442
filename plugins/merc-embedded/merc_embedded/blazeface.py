"""BlazeFace (Bazarevsky et al., 2019, arXiv 1907.05047), the face detector whose weights the package ``mediapipe``
carries: a single-shot detector over a grid of anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from merc_embedded.face import Box
from merc_embedded.litert import LiteNetwork
from merc_embedded.weights import MEDIAPIPE_INSTALL, Weights

SAME = 0.3
"""Boxes that overlap by more of their union are of one face."""

Numbers = npt.NDArray[np.float32]


def _weights(name: str, sha256: str) -> Weights:
    return Weights(
        package="mediapipe",
        distribution="mediapipe",
        file=f"modules/face_detection/{name}.tflite",
        sha256=sha256,
        install=MEDIAPIPE_INSTALL,
    )


class Grid(NamedTuple):
    """A network's weights, and its anchors: layers of ``cells`` by ``cells``, each cell with so many anchors."""

    weights: Weights
    layers: tuple[tuple[int, int], ...]


FULL_RANGE = Grid(
    _weights("face_detection_full_range_sparse", "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1"),
    layers=((48, 1),),
)
"""Takes 192 x 192 pixels: faces up to some five metres away."""
SHORT_RANGE = Grid(
    _weights("face_detection_short_range", "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"),
    layers=((16, 2), (8, 6)),
)
"""Takes 128 x 128 pixels: faces before the camera of a telephone, within two metres."""


def anchors(layers: Sequence[tuple[int, int]]) -> Numbers:
    """The anchors ``[n, 2]`` of layers ``(cells a side, anchors a cell)``: the middles of the cells, row by row, as x
    and y in shares of the picture.

    >>> anchors([(2, 1), (1, 2)]).tolist()
    [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75], [0.5, 0.5], [0.5, 0.5]]
    """
    parts = []
    for cells, each in layers:
        middles = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        x, y = np.meshgrid(middles, middles)
        parts.append(np.stack([x.ravel(), y.ravel()], 1).repeat(each, 0))
    return np.concatenate(parts)


def decode(raw: Numbers, anchors: Numbers, side: int) -> Numbers:
    """What the network says of each anchor ``[n, 16]``, in pixels of its input of ``side`` pixels, as places
    ``[n, 8, 2]`` in shares of the input: the middle of the face, its width and height, and six points of it.

    The middle and the points are given relative to the anchor, the width and height as they are.
    """
    places = raw.reshape(-1, 8, 2) / side
    places[:, [0, 2, 3, 4, 5, 6, 7]] += anchors[:, None]
    return places


def merge(places: Numbers, scores: Numbers) -> list[tuple[Numbers, float]]:
    """One face for each group of overlapping boxes, the surest first, with its score: places ``[8, 2]`` are the mean of
    those of the group, weighed by their scores, and the score is the highest of them. Blending jitters less from frame
    to frame than the surest box alone."""
    order = np.argsort(-scores, kind="stable")
    faces = []
    while len(order):
        overlap = _overlaps(places[order[0]], places[order])
        group = order[overlap > SAME]
        group = group if len(group) else order[:1]  # a box without an area overlaps nothing
        weights = scores[group] / scores[group].sum()
        faces.append((np.tensordot(weights, places[group], 1).astype(np.float32), float(scores[group[0]])))
        order = order[~np.isin(order, group)]
    return faces


def _overlaps(one: Numbers, others: Numbers) -> Numbers:
    """The intersection of a box with each of the others, over their union."""

    def edges(places: Numbers) -> tuple[Numbers, Numbers]:
        return places[..., 0, :] - places[..., 1, :] / 2, places[..., 0, :] + places[..., 1, :] / 2

    (low, high), (lows, highs) = edges(one), edges(others)
    shared = np.clip(np.minimum(high, highs) - np.maximum(low, lows), 0, None).prod(-1)
    union = (high - low).prod() + (highs - lows).prod(-1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class BlazeFace:
    """Finds faces, turned ones too."""

    network: LiteNetwork
    """One of its two networks."""
    anchors: Numbers
    """The network's anchors ``[n, 2]``."""
    certainty: float
    """The least probability of a face."""

    @staticmethod
    def load(grid: Grid, certainty: float) -> BlazeFace:
        """Read the network. Raises MercError when ``mediapipe``, which carries it, or LiteRT is not installed."""
        return BlazeFace(network=LiteNetwork.load(grid.weights), anchors=anchors(grid.layers), certainty=certainty)

    def detect(self, frame: npt.NDArray[np.uint8]) -> list[Box]:
        """The faces in a frame ``[height, width, 3]`` uint8 RGB, the surest first; their score is the probability, and
        their points are right eye, left eye, nose, mouth, right ear, left ear."""
        import cv2

        height, width = frame.shape[:2]
        side, longest = self.network.side, max(height, width)
        size = max(1, round(width * side / longest)), max(1, round(height * side / longest))
        method = cv2.INTER_AREA if longest > side else cv2.INTER_LINEAR
        left, top = (side - size[0]) // 2, (side - size[1]) // 2
        picture = np.full((side, side, 3), -1, np.float32)
        small = cv2.resize(frame, size, interpolation=method)
        picture[top : top + size[1], left : left + size[0]] = small / np.float32(127.5) - 1
        raw, logits = self.network(picture)
        scores = 1 / (1 + np.exp(-np.clip(logits[:, 0], -50, 50)))
        sure = scores >= self.certainty
        places = decode(raw[sure], self.anchors[sure], side)
        pixels = longest / side
        shift = np.array([left, top], np.float32)
        return [
            _box(
                np.concatenate([place[:1] * side - shift, place[1:2] * side, place[2:] * side - shift]) * pixels, score
            )
            for place, score in merge(places, scores[sure])
        ]


def _box(place: Numbers, score: float) -> Box:
    middle, size, points = place[0], float(place[1].max()), place[2:]
    left, top = (round(float(one)) for one in middle - size / 2)
    return Box(left, top, round(size), score, tuple((float(x), float(y)) for x, y in points))
