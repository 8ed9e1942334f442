"""Which frame of a clip shows its face most sharply."""

from __future__ import annotations

from weakref import WeakSet

import cv2
import numpy as np
import torch
from merc_embedded import FaceFinder, grey_face
from torch.nn import functional as F

from merc import VideoClip

FACELESS: WeakSet[VideoClip] = WeakSet()
"""Clips in which a chooser found no face, as long as they are in memory: the encoder remarks on them."""


class FaceChooser:
    """Gives a clip of one frame, scaled to a square of ``size`` pixels: the one with the sharpest face, or the middle
    one where no face is found, which ``FACELESS`` then holds."""

    def __init__(self, size: int) -> None:
        self.size, self.finder = size, FaceFinder.load()

    def __call__(self, clip: VideoClip) -> VideoClip:
        """The frame of a clip that has at least one."""
        best = max(((sharpness, -place) for place, sharpness in self.sharpnesses(clip)), default=None)
        if best is None:
            FACELESS.add(clip)
        place = len(clip.frames) // 2 if best is None else -best[1]
        return VideoClip(frames=self._scaled(clip.frames[place])[None], times=clip.times[[place]])

    def sharpnesses(self, clip: VideoClip) -> list[tuple[int, float]]:
        """The frames that show a face, and how sharp it is: the variance of the Laplacian of the largest and most
        certain face, grey, at 64 x 64 pixels, so that faces of every size are compared alike."""
        faces = []
        for place, frame in enumerate(clip.frames):
            if boxes := self.finder.find(frame):
                face = grey_face(frame, boxes[0], margin=0.0)
                faces.append((place, float(cv2.Laplacian(face, cv2.CV_64F).var())))
        return faces

    def _scaled(self, frame: np.ndarray) -> np.ndarray:
        picture = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].float()
        small = F.interpolate(picture, (self.size, self.size), mode="bilinear", antialias=True)
        return small[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
