"""What can be measured of a person in sampled frames: which face, what it shows, how it is held, what moves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from merc_embedded import Box, FaceFinder, FaceReader, SeenFace

from merc import VideoClip

_BLACK = 32
"""A frame whose brightest point is below this (of 255) is black: compressed video has black at 16."""
_PLAIN = 3.0
"""A frame whose grey values spread less than this (standard deviation, of 255) shows nothing but one colour."""
_SAME_VIEW = 0.4
"""Below this correlation of their grey histograms, and with most points changed, two frames are different views."""
_CHANGED = 18
"""A point of the picture has changed when its grey value differs by more (of 255): above the noise of compression."""
_AGREE = 0.3
"""Below this response of the phase correlation, how far a face went is unknown."""
_ANGLES = tuple(range(-32, 33, 8))


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceTrack:
    """What was measured over ``n`` frames of one clip.

    ``times`` ``[n]`` in seconds. ``faces`` are the followed face in each frame, or None. ``count`` is how many faces
    are seen at once, ``side`` where the followed one stands among them (left, middle, right; empty if it is alone).
    ``tilts`` are degrees clockwise as one sees the picture, or None. ``places`` are the followed face's middle in
    widths and heights of the picture and its height in heights of the picture, ``[n, 3]``, NaN where there is none.

    From a frame to the next: ``strides`` ``[n - 1, 2]`` is how far the followed face goes, right and down, in its own
    heights, NaN where that is unknown; ``moved`` ``[n - 1]`` is the share of points that change, below and beside
    the face where one is followed, else of the picture as a whole; NaN across a cut, and where the followed face is in
    neither frame. ``cuts`` are how many there are. ``blank`` says why nothing can be seen at all.
    """

    times: npt.NDArray[np.float64]
    faces: Sequence[SeenFace | None] = ()
    count: int = 0
    side: str = ""
    tilts: Sequence[float | None] = ()
    places: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    strides: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    moved: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    cuts: int = 0
    blank: str | None = None


@dataclass(frozen=True, kw_only=True)
class Watcher:
    """Watches clips. One watcher must not be used from two threads at once. ``subtitles`` is the share of the
    picture's height at the bottom where words may be burned in: what changes there is no movement."""

    reader: FaceReader
    subtitles: float = 0.25

    def watch(self, clip: VideoClip) -> FaceTrack:
        """What is to be seen in the frames of a clip."""
        times = np.asarray(clip.times, np.float64)
        if blank := _blank(clip.frames):
            return FaceTrack(times=times, blank=blank)
        small = [_small(frame) for frame in clip.frames]
        steps = [_step(one, two) for one, two in itertools.pairwise(small)]
        tracks = _tracks(self.reader.read(clip.frames), [cut for _, cut in steps])
        followed = max(tracks, key=_weight) if tracks else {}
        others = [track for track in tracks if _together(track, followed)]
        height, width = clip.frames.shape[1:3]
        places = np.full((len(times), 3), np.nan)
        tilts: list[float | None] = [None] * len(times)
        for at, face in followed.items():
            box = face.box
            places[at] = (box.left + box.size / 2) / width, (box.top + box.size / 2) / height, box.size / height
            tilts[at] = tilt(clip.frames[at], box)
        moved = [
            np.nan if cut else self._moved(change, places[at : at + 2], bool(followed))
            for at, (change, cut) in enumerate(steps)
        ]
        strides = np.full((len(steps), 2), np.nan)
        for at, (_, cut) in enumerate(steps):
            if not cut and at in followed:
                strides[at] = _stride(clip.frames[at], clip.frames[at + 1], followed[at].box)
        return FaceTrack(
            times=times,
            faces=[followed.get(at) for at in range(len(times))],
            count=len(others) + bool(followed),
            side=_side(followed, others),
            tilts=tilts,
            places=places,
            strides=strides,
            moved=np.array(moved),
            cuts=sum(cut for _, cut in steps),
        )

    def _moved(self, change: npt.NDArray[np.bool_], places: npt.NDArray[np.float64], follows: bool) -> float:
        """The share of points that change; NaN where a face is followed and is in neither frame, and where the body
        is nowhere but among the subtitles."""
        if follows and np.isnan(places[:, 0]).all():
            return np.nan
        clear = change[: round((1 - self.subtitles) * len(change))]
        looked_at = clear[_beside(change.shape, *places)]
        return float(looked_at.mean()) if looked_at.size else np.nan


def tilt(frame: npt.NDArray[np.uint8], box: Box) -> float | None:
    """How far a face is tilted, in degrees clockwise as one sees the picture; None where that is unknown.

    The picture is turned back by several angles. A cascade for upright faces agrees with itself the more, the more
    upright the face then is; the middle of the angles, each weighed by that agreement, is the tilt.
    """
    import cv2

    reach = box.size
    padded = cv2.copyMakeBorder(np.ascontiguousarray(frame), *[reach] * 4, cv2.BORDER_REPLICATE)
    cut = padded[box.top + reach // 2 : box.top + reach // 2 + 2 * reach]
    cut = cut[:, box.left + reach // 2 : box.left + reach // 2 + 2 * reach]
    side = 112
    cut = cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA if reach > side / 2 else cv2.INTER_LINEAR)
    near = FaceFinder.load("haar", smallest=0.35, votes=3)
    votes = []
    for angle in _ANGLES:
        turn = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1.0)
        faces = near.find(
            np.asarray(cv2.warpAffine(cut, turn, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8)
        )
        votes.append(faces[0].score if faces else 0)
    return float(np.dot(_ANGLES, votes) / sum(votes)) if sum(votes) else None


Track = dict[int, SeenFace]


def _tracks(faces: Sequence[Sequence[SeenFace]], cuts: Sequence[bool]) -> list[Track]:
    """The faces that last, each as a mapping from frame to face. What a cascade takes for a face in a single frame of
    many is none; where every face is seen but once, all count."""
    ended: list[Track] = []
    open_: list[Track] = []
    for at, seen in enumerate(faces):
        if at and cuts[at - 1]:
            ended, open_ = ended + open_, []
        free = list(open_)
        for face in seen:
            near = [track for track in free if _same(_last(track).box, face.box)]
            if near:
                track = min(near, key=lambda track: _apart(_last(track).box, face.box))
                free.remove(track)
                track[at] = face
            else:
                open_.append({at: face})
    tracks = ended + open_
    least = max(2, len(faces) // 5)
    return [track for track in tracks if len(track) >= least] or tracks


def _last(track: Track) -> SeenFace:
    return track[max(track)]


def _weight(track: Track) -> tuple[float, int]:
    return sum(face.box.score * face.box.size for face in track.values()), -_last(track).box.left


def _apart(one: Box, two: Box) -> float:
    """How far the middles of two boxes are apart."""
    right, down = (one[side] + one.size / 2 - two[side] - two.size / 2 for side in (0, 1))
    return float(np.hypot(right, down))


def _same(one: Box, two: Box) -> bool:
    return _apart(one, two) < 0.7 * max(one.size, two.size) and 0.5 < one.size / two.size < 2


def _together(one: Track, two: Track) -> bool:
    """Whether two faces are seen at once, and apart. One that is seen before or behind the other may be the same,
    nearer or farther, or another view."""
    shared = one.keys() & two.keys()
    return any(_apart(one[at].box, two[at].box) > (one[at].box.size + two[at].box.size) / 2.5 for at in shared)


def _side(followed: Track, others: Sequence[Track]) -> str:
    def middle(track: Track) -> float:
        return float(np.mean([face.box.left + face.box.size / 2 for face in track.values()]))

    if not others:
        return ""
    own = middle(followed)
    there = [middle(track) for track in others]
    return "left" if own < min(there) else "right" if own > max(there) else "middle"


def _blank(frames: npt.NDArray[np.uint8]) -> str | None:
    count = f"all {len(frames)} frames" if len(frames) > 1 else "its frame"
    if frames.max() < _BLACK:
        return f"the picture is black in {count}"
    if max(float(frame.std(axis=(0, 1)).max()) for frame in frames) < _PLAIN:
        return f"the picture is of one colour in {count}"
    return None


def _small(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Grey, about 160 points wide: finer grain is noise."""
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    scale = min(1.0, 160 / grey.shape[1])
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _step(one: npt.NDArray[np.uint8], two: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.bool_], bool]:
    """Which points change from a frame to the next, and whether that is a cut to another view."""
    changed = np.abs(one.astype(int) - two) > _CHANGED
    bars = [np.histogram(frame, 32, (0, 256))[0] for frame in (one, two)]
    alike = float(np.corrcoef(bars)[0, 1]) if all(bar.std() > 0 for bar in bars) else 1.0
    return changed, bool(alike < _SAME_VIEW and changed.mean() > 0.5)


def _stride(one: npt.NDArray[np.uint8], two: npt.NDArray[np.uint8], box: Box) -> tuple[float, float]:
    """How far what is in a box goes from a frame to the next, in heights of the box; NaN where that is unknown.

    The boxes of a cascade jitter by some hundredths of the face. Phase correlation of the pictures in the box tells a
    hundredth of that.
    """
    import cv2

    side, margin = 96, box.size // 4
    rows = slice(max(0, box.top - margin), box.top + box.size + margin)
    columns = slice(max(0, box.left - margin), box.left + box.size + margin)
    cuts = [
        cv2.cvtColor(np.ascontiguousarray(frame[rows, columns]), cv2.COLOR_RGB2GRAY).astype(np.float32)
        for frame in (one, two)
    ]
    height, width = cuts[0].shape
    small = [cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA) for cut in cuts]
    (right, down), response = cv2.phaseCorrelate(*small, cv2.createHanningWindow((side, side), cv2.CV_32F))
    if response < _AGREE:
        return np.nan, np.nan
    return right * width / side / box.size, down * height / side / box.size


def _beside(shape: tuple[int, ...], *places: npt.NDArray[np.float64]) -> tuple[slice, slice]:
    """The part of the picture in which the body of a face is: below its middle, two and a half faces wide; all of the
    picture where there is no face."""
    known = [place for place in places if not np.isnan(place[0])]
    if not known:
        return slice(None), slice(None)
    height, width = shape
    x, y, size = np.mean(known, axis=0)
    reach = 1.25 * size * height
    left, right = max(0, int(x * width - reach)), min(width, int(x * width + reach) + 1)
    return slice(min(height - 1, int((y + size / 2) * height)), None), slice(left, right)
