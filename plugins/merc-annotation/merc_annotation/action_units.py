"""Annotator ``action-units``: intensities of facial action units by frame, as proxies from a mesh of the face."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from merc_embedded import Detector, FaceFinder, FaceMesh, check_detector, find_cuts, follow_faces, who_speaks

from merc import Annotation, Annotator, AudioClip, Frames, Missing, Observation, VideoClip, Waveform
from merc_annotation.face_units import UNITS, Values, intensities, measures
from merc_annotation.unit_table import UnitTable

if TYPE_CHECKING:
    from merc import AnnotateFunction


@dataclass(frozen=True, kw_only=True)
class ActionUnits(Annotator):
    """Writes ``action_units``: for each frame the intensities, from 0 to 5, of action units of FACS, as JSON.

    They are proxies: distances between points of the 468-point mesh that MediaPipe's network finds, compared with a
    face at rest, which is calibrated to the person over the clip. Faces are followed through the clip, and of several
    the one is measured whose mouth moves with the sound.
    """

    frames: int = 64
    """Frames of an utterance that are looked at, in equal steps."""
    detector: Detector = "full-range"
    """What finds faces: BlazeFace's ``full-range`` or ``short-range``, or OpenCV's ``haar`` cascade."""
    smallest: float = 0.1
    """The side of the smallest face that counts, as a share of the frame's shorter side."""

    def __post_init__(self) -> None:
        if self.frames < 3:
            raise ValueError(f"frames counts from 3, since a face is compared with itself; it is {self.frames}")
        check_detector(self.detector, self.smallest, None, None)

    def fields(self) -> tuple[str, ...]:
        """``action_units``."""
        return ("action_units",)

    def video(self) -> Frames:
        """Frames in the video's own size."""
        return Frames(count=self.frames)

    def audio(self) -> Waveform:
        """The sound, which tells who of several speaks."""
        return Waveform()

    def load(self, device: str) -> AnnotateFunction:
        """Read the networks that find faces and their points. Raises MercError where their package is missing."""
        finder, mesh = FaceFinder.load(self.detector, smallest=self.smallest), FaceMesh.load()

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                yield one.query.target.id, self._annotation(finder, mesh, one)

        return annotate

    def _annotation(self, finder: FaceFinder, mesh: FaceMesh, seen: Observation) -> Annotation:
        if isinstance(seen.video, Missing):
            return Annotation(reason=seen.video.reason)
        sound = seen.audio if isinstance(seen.audio, AudioClip) else None
        frames = measured_frames(finder, mesh, seen.video, sound)
        if isinstance(frames, Missing):
            return Annotation(reason=frames.reason)
        (field,) = self.fields()
        return Annotation(cues={field: self.text(*frames)})

    def text(self, times: Values, by_frame: dict[str, Values]) -> str:
        """The cue: the times ``[frames]`` and the intensity of each unit then, from its measure ``[frames]``."""
        return UnitTable("proxies from a mesh", times, intensities(by_frame)).text()


def measured_frames(
    finder: FaceFinder, mesh: FaceMesh, clip: VideoClip, sound: AudioClip | None = None
) -> tuple[Values, dict[str, Values]] | Missing:
    """The times ``[frames]`` at which the face of the person who speaks is seen, and the measure of each unit then
    ``[frames]``; Missing with the reason where it is seen in too few frames."""
    boxes = [finder.find(frame) for frame in clip.frames]
    person = who_speaks(mesh, clip, follow_faces(clip.frames, boxes, find_cuts(clip.frames)), sound)
    if person is None:
        return Missing("no face is found")
    rows, times = [], []
    for at, box in sorted(person.track.boxes.items()):
        points = mesh.points(clip.frames[at], box)
        if points is not None:
            rows.append(measures(points))
            times.append(clip.times[at])
    if len(rows) < 3:
        return Missing(f"a face is seen in {len(rows)} of {len(clip.frames)} frames, too few to compare it with itself")
    return np.array(times), {name: np.array([row[name] for row in rows]) for name in UNITS}
