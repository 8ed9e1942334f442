"""What can be measured of a person in sampled frames: which face, what it shows, how it is held, what moves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from merc_embedded import (
    Box,
    FaceMesh,
    FaceReader,
    FaceTrack,
    SeenFace,
    changed_points,
    follow_faces,
    is_cut,
    picture_area,
    shows_nothing,
    small_grey,
    who_speaks,
)

from merc import AudioClip, VideoClip

Numbers = npt.NDArray[np.float64]

_PROFILE = 0.6
"""From this turn on the line through the eyes tells nothing of how the head is tilted."""


def _empty(*shape: int) -> Numbers:
    return np.empty(shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Measures:
    """What was measured over ``n`` frames of one clip. What could not be measured is NaN, or None."""

    times: Numbers
    """``[n]`` in seconds."""
    faces: Sequence[SeenFace | None] = ()
    """The followed face in each frame, or None."""
    count: int = 0
    """How many faces are seen at once, as far as they last."""
    side: str = ""
    """Where the followed face stands among several: left, middle or right."""
    why: Literal["", "only", "mouth", "largest"] = ""
    """Why this face is followed: it is the only one, its mouth moves with the sound, or it is the largest."""
    places: Numbers = field(default_factory=lambda: _empty(0, 3))
    """``[n, 3]``: the face's middle in widths and heights of the picture, its height in heights of the picture."""
    tilts: Numbers = field(default_factory=lambda: _empty(0))
    """``[n]``: degrees clockwise as one sees the picture."""
    turns: Numbers = field(default_factory=lambda: _empty(0))
    """``[n]``: how far the nose is from between the ears, in widths between them; negative to the picture's left."""
    aspect: float = 1.0
    """The picture's width over its height."""
    moved: Numbers = field(default_factory=lambda: _empty(0))
    """``[n - 1]``: how fast what is below the face goes from a frame to the next, in heights of the face a second: the
    median over the points there. NaN across a cut, and where the face is in neither frame or fills the picture."""
    around: Numbers = field(default_factory=lambda: _empty(0))
    """``[n - 1]``: the same of what is neither head nor body, which tells of a camera that moves."""
    changed: Numbers = field(default_factory=lambda: _empty(0))
    """``[n - 1]``: the share of all points that change from a frame to the next; NaN across a cut."""
    cuts: int = 0
    """How often the picture cuts to another shot."""
    blank: str | None = None
    """Why nothing can be seen at all."""


@dataclass(frozen=True, kw_only=True)
class Watcher:
    """Measures clips. It must not be used from two threads at once."""

    reader: FaceReader
    """Finds faces and reads their emotions."""
    mesh: FaceMesh
    """Finds mouths."""
    subtitles: float = 0.25
    """The share of the picture's height, at the bottom, where words may be burned in: what changes there is no
    movement."""

    def watch(self, clip: VideoClip, sound: AudioClip | None = None) -> Measures:
        """What is to be seen in the frames of a clip, whose black bars do not count."""
        times = np.asarray(clip.times, np.float64)
        if not len(clip.frames):
            return Measures(times=times, blank="it has no frames")
        if blank := shows_nothing(clip.frames):
            return Measures(times=times, blank=blank)
        frames = picture_area(clip.frames).of(clip.frames)
        small = [small_grey(frame) for frame in frames]
        cuts = np.array([is_cut(one, two) for one, two in itertools.pairwise(small)], bool)
        tracks = follow_faces(frames, [self.reader.finder.find(frame) for frame in frames], cuts)
        person = who_speaks(self.mesh, VideoClip(frames=frames, times=times), tracks, sound)
        followed = person.track if person else FaceTrack(boxes={})
        others = [track for track in tracks if track is not followed and track.beside(followed)]
        boxes = [followed.boxes.get(at) for at in range(len(times))]
        read = iter(self.reader.read_boxes((frame, box) for frame, box in zip(frames, boxes, strict=True) if box))
        places = np.array([_place(box, *frames.shape[1:3]) for box in boxes]).reshape(-1, 3)
        turns = np.array([_turn(box) for box in boxes])
        moved, around, changed = self._movement(small, cuts, places, times)
        return Measures(
            times=times,
            faces=[next(read) if box else None for box in boxes],
            count=len(others) + bool(person),
            side=_side(followed, others),
            why=person.why if person else "",
            places=places,
            turns=turns,
            tilts=np.where(np.abs(turns) < _PROFILE, [_tilt(box) for box in boxes], np.nan),
            aspect=frames.shape[2] / frames.shape[1],
            moved=moved,
            around=around,
            changed=changed,
            cuts=int(cuts.sum()),
        )

    def _movement(
        self, small: Sequence[npt.NDArray[np.uint8]], cuts: npt.NDArray[np.bool_], places: Numbers, times: Numbers
    ) -> tuple[Numbers, Numbers, Numbers]:
        """``moved``, ``around`` and ``changed`` of ``Measures``."""
        body, rest, changed = (np.full(len(cuts), np.nan) for _ in range(3))
        for at in np.flatnonzero(~cuts):
            clear = round((1 - self.subtitles) * len(small[at]))
            changed[at] = changed_points(small[at], small[at + 1])[:clear].mean()
            known = places[at : at + 2][~np.isnan(places[at : at + 2, 0])]
            if len(known):
                place = known.mean(0)
                own, other = _regions(small[at].shape, clear, place)
                unit = place[2] * len(small[at]) * max(times[at + 1] - times[at], 1e-3)
                ways = _flow(small[at], small[at + 1])[:clear] / unit
                body[at], rest[at] = (float(np.median(ways[part])) if part.any() else np.nan for part in (own, other))
        return body, rest, changed


def _flow(one: npt.NDArray[np.uint8], two: npt.NDArray[np.uint8]) -> Numbers:
    """How far each point goes from one picture to the other, in points ``[height, width]`` (Farnebäck's optical
    flow)."""
    import cv2

    flow = cv2.calcOpticalFlowFarneback(one, two, None, 0.5, 3, 15, 3, 5, 1.2, 0)
    return np.asarray(np.hypot(flow[..., 0], flow[..., 1]), np.float64)


def _place(box: Box | None, height: int, width: int) -> tuple[float, float, float]:
    if box is None:
        return np.nan, np.nan, np.nan
    return box.middle[0] / width, box.middle[1] / height, box.size / height


def _turn(box: Box | None) -> float:
    if box is None or not box.points:
        return np.nan
    nose, (right, _), (left, _) = box.points[2][0], box.points[4], box.points[5]
    return (nose - (right + left) / 2) / (left - right) if left > right else np.nan


def _tilt(box: Box | None) -> float:
    if box is None or not box.points:
        return np.nan
    (x, y), (right, down) = box.points[:2]
    return float(np.degrees(np.arctan2(down - y, right - x)))


def _side(followed: FaceTrack, others: Sequence[FaceTrack]) -> str:
    def middle(track: FaceTrack) -> float:
        return float(np.mean([box.middle[0] for box in track.boxes.values()]))

    if not others:
        return ""
    own, there = middle(followed), [middle(track) for track in others]
    return "left" if own < min(there) else "right" if own > max(there) else "middle"


def _regions(shape: tuple[int, ...], clear: int, place: Numbers) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which points of the first ``clear`` lines of a picture are of the body of a face (below it, two and a half faces
    wide), and which are neither of it nor of the head."""
    height, width = shape
    x, y, size = place[0] * width, place[1] * height, place[2] * height
    rows, columns = np.arange(clear)[:, None], np.arange(shape[1])[None]
    beside = np.abs(columns - x) <= 1.25 * size
    own = beside & (rows >= y + size / 2)
    head = beside & (rows >= y - 1.25 * size)
    return own, ~(own | head)
