"""Faces followed through the frames of a clip, by where they are and by what they look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merc_embedded.face import Box

NEAR = 0.7
"""A face goes at most so many of its own sizes from a frame to the next."""
ALIKE, SAME_PERSON = 0.4, 0.9
"""How alike two pictures of a face must be (from 0 to 1): from a frame to the next, and across a cut or a gap."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceTrack:
    """One face: where it is in the frames that show it."""

    boxes: Mapping[int, Box]
    """The face by the place of the frame."""

    @property
    def weight(self) -> float:
        """How large and sure the face is, summed over its frames."""
        return sum(box.score * box.size for box in self.boxes.values())

    def beside(self, other: FaceTrack) -> bool:
        """Whether both are seen at once, and apart."""
        shared = self.boxes.keys() & other.boxes.keys()
        return any(
            _apart(self.boxes[at], other.boxes[at]) > (self.boxes[at].size + other.boxes[at].size) / 2.5
            for at in shared
        )


def follow_faces(
    frames: npt.NDArray[np.uint8], boxes: Sequence[Sequence[Box]], cuts: npt.NDArray[np.bool_]
) -> list[FaceTrack]:
    """The faces that last, the largest and surest first: those of each of the frames ``[n, height, width, 3]`` put
    together, where ``cuts`` ``[n - 1]`` says after which frames another shot begins.

    From a frame to the next a face is where it overlaps with where it was, and looks alike; across a cut or a gap it
    must look the same. What is taken for a face in one or two of many frames is none; where no face lasts, all count.
    """
    shot = np.concatenate([[0], np.cumsum(cuts)]) if len(frames) else np.zeros(0)
    tracks: list[_Open] = []
    for at, seen in enumerate(boxes):
        looks = [_looks(frames[at], box) for box in seen]
        pairs = sorted(
            (
                (-score, number, place)
                for number, track in enumerate(tracks)
                for place, box in enumerate(seen)
                if (score := track.fits(box, looks[place], at, shot))
            ),
        )
        free, left = set(range(len(tracks))), set(range(len(seen)))
        for _, number, place in pairs:
            if number in free and place in left:
                tracks[number].add(at, seen[place], looks[place])
                free.remove(number)
                left.remove(place)
        tracks += [_Open(at, seen[place], looks[place]) for place in sorted(left)]
    least = max(2, len(boxes) // 5)
    lasting = [track for track in tracks if len(track.boxes) >= least] or tracks
    ended = [FaceTrack(boxes=track.boxes) for track in lasting]
    return sorted(ended, key=lambda track: (-track.weight, min(track.boxes)))


class _Open:
    """A track that may go on."""

    def __init__(self, at: int, box: Box, looks: npt.NDArray[np.float64]) -> None:
        self.boxes, self.last, self.looks = {at: box}, at, looks

    def add(self, at: int, box: Box, looks: npt.NDArray[np.float64]) -> None:
        self.boxes[at], self.last, self.looks = box, at, looks

    def fits(self, box: Box, looks: npt.NDArray[np.float64], at: int, shot: npt.NDArray[np.int_]) -> float:
        """How well a face goes on with this track, above 0; 0 if it does not."""
        alike = float(np.sqrt(self.looks * looks).sum())  # Bhattacharyya's coefficient
        last = self.boxes[self.last]
        if shot[self.last] == shot[at]:
            reach = NEAR * max(last.size, box.size) * min(2, at - self.last)
            apart = _apart(last, box)
            if apart < reach and 0.5 < last.size / box.size < 2 and alike > ALIKE:
                return 2 - apart / reach + alike
        return alike if alike > SAME_PERSON and at - self.last > 0 else 0.0


def _apart(one: Box, two: Box) -> float:
    """How far the middles of two boxes are apart, in pixels."""
    return float(np.hypot(one.middle[0] - two.middle[0], one.middle[1] - two.middle[1]))


def _looks(frame: npt.NDArray[np.uint8], box: Box) -> npt.NDArray[np.float64]:
    """The colours of a face with its hair and what is worn below it: a histogram over hue, saturation and value, of sum
    1."""
    import cv2

    side = box.size
    rows = slice(max(0, box.top - side // 2), max(1, box.top + 2 * side))
    columns = slice(max(0, box.left - side // 3), max(1, box.left + side + side // 3))
    cut = frame[rows, columns]
    if not cut.size:
        return np.full(8 * 4 * 4, 1 / 128)
    small = cv2.resize(np.ascontiguousarray(cut), (48, 72), interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    bars = cv2.calcHist([hsv], [0, 1, 2], None, [8, 4, 4], [0, 180, 0, 256, 0, 256]).ravel().astype(np.float64)
    return np.asarray(bars / bars.sum(), np.float64)
