"""Which of several faces speaks: the one whose mouth moves while there is sound."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from merc import AudioClip, VideoClip
from merc_embedded.face_tracking import FaceTrack
from merc_embedded.mesh import FaceMesh, mouth_opening

MOVES = 0.012
"""A mouth that moves by less than this from frame to frame, in heights of the face, does not speak."""
CLEARLY = 1.5
"""The mouth of the one who speaks moves so many times as much as that of any other."""
LEAST = 3
"""From how few steps between frames a mouth is not judged."""
SILENT = 0.1
"""Sound below this share of the loudest is silence."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """The face that is taken for the person, and why."""

    track: FaceTrack
    """The face."""
    why: Literal["only", "mouth", "largest"]
    """It is the ``only`` one, its ``mouth`` moves clearly more than those of the others, or it is merely the
    ``largest``, since the mouths did not tell."""


def who_speaks(
    mesh: FaceMesh, clip: VideoClip, tracks: Sequence[FaceTrack], sound: AudioClip | None = None
) -> Person | None:
    """Which of the faces of ``follow_faces`` speaks; None where there is none.

    Without sound, every movement of a mouth counts alike; with it, movements count by how loud it is meanwhile.
    """
    if len(tracks) < 2:
        return Person(track=tracks[0], why="only") if tracks else None
    moved = [mouth_movement(mesh, clip, track, sound) for track in tracks]
    order = sorted(range(len(tracks)), key=lambda place: -np.nan_to_num(moved[place]))
    first, second = (float(np.nan_to_num(moved[place])) for place in order[:2])
    if first > MOVES and first > CLEARLY * second:
        return Person(track=tracks[order[0]], why="mouth")
    return Person(track=tracks[0], why="largest")


def mouth_movement(mesh: FaceMesh, clip: VideoClip, track: FaceTrack, sound: AudioClip | None = None) -> float:
    """How much the mouth of a face opens or closes from one frame that shows it to the next, in heights of the face;
    NaN where that is known for too few."""
    openings = np.full(len(clip.frames), np.nan)
    for at, box in track.boxes.items():
        points = mesh.points(clip.frames[at], box)
        if points is not None:
            openings[at] = mouth_opening(points)
    steps = np.abs(np.diff(openings))
    known = ~np.isnan(steps)
    weights = loudness(sound, clip.times)[known] if sound is not None else np.ones(int(known.sum()))
    if known.sum() < LEAST or not weights.sum():
        return float("nan")
    return float(np.average(steps[known], weights=weights))


def loudness(sound: AudioClip, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How loud the sound is between each of the times ``[n]`` in seconds and the next, ``[n - 1]``, as a share of the
    loudest; 0 where it is silent, or has ended.

    >>> sound = AudioClip(samples=np.repeat([0.0, 0.5, 0.25], 100).astype("float32"), rate=100)
    >>> loudness(sound, np.array([0.0, 1.0, 2.0, 3.0])).tolist()
    [0.0, 1.0, 0.5]
    """
    edges = np.clip(np.round(times * sound.rate).astype(int), 0, len(sound.samples))
    parts = [sound.samples[start:end].astype(np.float64) for start, end in itertools.pairwise(edges)]
    levels = np.array([np.sqrt(np.mean(part**2)) if len(part) else 0.0 for part in parts])
    if not len(levels) or levels.max() == 0:
        return levels
    shares = levels / levels.max()
    return np.asarray(np.where(shares < SILENT, 0.0, shares), np.float64)
