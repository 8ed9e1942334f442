"""Annotator ``observer``: sentences about face, body and posture, written from what was measured, offline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from merc import Annotation, Annotator, Frames, Missing, Observation

if TYPE_CHECKING:
    from merc import AnnotateFunction
    from merc_bemerc.face_tracking import FaceTrack


@dataclass(frozen=True, kw_only=True)
class Observer(Annotator):
    """Describes what mini-Xception, a face cascade and the differences between frames tell; no language model is asked.

    Of several faces it follows the one that is largest and most certain over the clip, and says which. A field of which
    nothing was measured is left out, and one that was measured in less than half of the frames says in how many; a clip
    that shows nothing gets the reason.

    What was measured is kept with the cues as JSON, as a model's raw answer would be.
    """

    frames: int = 12
    """Frames of a clip, sampled uniformly."""
    votes: int = 8
    """How many overlapping windows must agree on a face, as of ``face-emotion``; drawn faces want 3."""
    smallest: float = 0.1
    """The side of the smallest face that is looked for, as a share of the frame's shorter side."""
    margin: float = 0.1
    """What is added around the face on each side before it is read, as a share of its size."""
    subtitles: float = 0.25
    """The share of the picture's height, at the bottom, in which nothing counts as movement, since words may be burned
    in there; 0 where there are none."""

    version = "2"

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ValueError(f"frames counts from 2, since movement is measured between them; it is {self.frames}")
        if self.votes < 1:
            raise ValueError(f"votes counts from 1, not {self.votes}")
        if not 0 < self.smallest <= 1:
            raise ValueError(
                f"smallest is a share of the frame's shorter side, above 0 and at most 1, not {self.smallest}"
            )
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

    def load(self, device: str) -> AnnotateFunction:
        """Read the cascade and the network. Raises MercError when the package with the weights is not installed."""
        from merc_embedded import FaceFinder, FaceReader

        from merc_bemerc.face_tracking import Watcher
        from merc_bemerc.verbalize import tell

        finder = FaceFinder.load("haar", smallest=self.smallest, votes=self.votes)
        reader = FaceReader.load(device, finder=finder, margin=self.margin)
        watcher = Watcher(reader=reader, subtitles=self.subtitles)

        def describe(seen: Observation) -> Annotation:
            if isinstance(seen.video, Missing):
                return Annotation(reason=seen.video.reason)
            sight = watcher.watch(seen.video)
            if sight.blank:
                return Annotation(reason=sight.blank)
            cues = tell(sight)
            if not cues:
                return Annotation(reason="no face is found, and a single frame shows no movement")
            return Annotation(cues=cues, raw=(json.dumps(_record(sight)),))

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                yield one.query.target.id, describe(one)

        return annotate


def _record(sight: FaceTrack) -> dict[str, Any]:
    """The numbers that the sentences rest on."""

    def rounded(values: Iterable[float | None]) -> list[float | None]:
        return [None if value is None or value != value else round(float(value), 3) for value in values]

    return {
        "times": rounded(sight.times),
        "faces": sight.count,
        "probabilities": [None if face is None else rounded(face.probabilities) for face in sight.faces],
        "places": [None if place[0] != place[0] else rounded(place) for place in sight.places],
        "tilts": rounded(sight.tilts),
        "strides": [None if stride[0] != stride[0] else rounded(stride) for stride in sight.strides],
        "moved": rounded(sight.moved),
        "cuts": sight.cuts,
    }
