"""Encoder ``densenet``: a DenseNet-121 feature of every drawn frame, BeMERC's view of a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from merc import Encoder, FeatureSpec, Frames, MercError, Missing, VideoClip
from merc_vision.weights import Published, read_tensors

if TYPE_CHECKING:
    from torch import nn

    from merc import EncodeFunction, Features, PrepareFunction
    from merc_vision.densenet_net import DenseNet121

IMAGENET = Published(url="https://download.pytorch.org/models/densenet121-a639ec97.pth", sha256="a639ec97")
"""torchvision's ImageNet weights of DenseNet-121 (BSD-3-Clause); the name of the file states its hash."""

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
LEAST = 32
"""The network halves a picture five times."""

FORWARD = {"cpu": 8, "cuda": 64}
"""Frames a forward pass: what keeps a device busy, and the feature maps small."""


@dataclass(frozen=True, kw_only=True)
class DenseNet(Encoder):
    """A token ``[1024]`` for each frame: DenseNet-121's last feature maps, averaged over the picture. Features are
    float32. The defaults are BeMERC's (arXiv 2503.23990, 3.1)."""

    modality = "video"
    weights: Path | Literal["download"]
    """A file with a state dict in torchvision's names, ``.pth`` or ``.safetensors``; or ``download``, which fetches
    torchvision's ImageNet weights once."""
    frames: int = 64
    """Frames of a clip, each a token."""
    size: int = 336
    """The side of the square, in pixels, that frames are scaled to."""
    sampling_: Literal["random", "uniform", "middle"] = "random"
    """Which frames: drawn at random by the clip's content, at equal distances, or around the middle."""
    draws: int = 1
    """How many different random draws of a clip are kept, which the epochs take in turn."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the convolutions compute in."""
    batch: int = 2
    """Clips that are held in memory and encoded together; changes no number."""

    def __post_init__(self) -> None:
        if self.size < LEAST:
            raise ValueError(f"size is {LEAST} pixels at least, not {self.size}")
        if self.batch < 1:
            raise ValueError(f"batch counts from 1, not {self.batch}")
        self.sampling()

    def sampling(self) -> Frames:
        """``frames`` square pictures."""
        return Frames(count=self.frames, strategy=self.sampling_, size=(self.size, self.size), draws=self.draws)

    def spec(self) -> FeatureSpec:
        """1024 numbers per token, at most one token per frame."""
        return FeatureSpec(dim=1024, tokens=self.frames)

    def load(self, device: str) -> EncodeFunction:
        """Read the network; ``weights: download`` fetches them first. Raises MercError for other weights."""
        import torch

        from merc import computed_in

        net = self._net().to(device)
        net = net.to(memory_format=torch.channels_last)
        kind = torch.device(device).type
        mean, deviation = (torch.tensor(three, device=device).view(3, 1, 1) for three in (MEAN, DEVIATION))
        dtype = getattr(torch, computed_in(self.dtype, device))

        @torch.inference_mode()
        def encode(clips: Sequence[VideoClip]) -> list[Features | Missing]:
            batches = []
            for some in _groups([clip.frames for clip in clips], FORWARD.get(kind, 64)):
                pictures = torch.from_numpy(some).to(device).permute(0, 3, 1, 2)
                pictures = (pictures.float() / 255 - mean) / deviation
                with torch.autocast(kind, dtype, enabled=dtype != torch.float32):
                    features = net(pictures)
                batches.append(features.float().cpu().numpy())
            whole = np.concatenate(batches) if batches else np.zeros((0, 1024), np.float32)
            ends = np.cumsum([len(clip.frames) for clip in clips])[:-1]
            parts = np.split(whole, ends) if clips else []
            return [np.ascontiguousarray(part) if len(part) else Missing("it has no frames") for part in parts]

        return encode

    def prepare(self) -> PrepareFunction:
        """Clips to their pictures ``[frames, height, width, 3]`` uint8."""
        return lambda clips: [
            np.ascontiguousarray(clip.frames) if len(clip.frames) else Missing("it has no frames") for clip in clips
        ]

    def build(self) -> nn.Module:
        """The network, from pictures to features. Raises MercError for other weights."""
        from merc_vision.densenet_net import Learner

        return Learner(self._net(), MEAN, DEVIATION)

    def _net(self) -> DenseNet121:
        """The network with its weights, on the CPU."""
        from merc_vision import densenet_net

        path = IMAGENET.path() if self.weights == "download" else Path(self.weights)
        try:
            return densenet_net.build(read_tensors(path))
        except ValueError as error:
            raise MercError(
                f"{path} does not hold the weights of torchvision's densenet121: {error}; give a file that does, or "
                "weights: download"
            ) from None


def _groups(clips: Sequence[np.ndarray], size: int) -> list[np.ndarray]:
    """The frames of all clips, in groups of equal number but the last."""
    frames = np.concatenate(clips) if clips else np.zeros((0, 1, 1, 3), np.uint8)
    return [frames[at : at + size] for at in range(0, len(frames), size)]
