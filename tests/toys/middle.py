"""Middle, an encoder whose network may learn: what it sees in the middle of each frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import merc

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Middle(merc.Encoder):
    """A token a frame, ``width`` numbers: the mean of a convolution over the middle of the picture."""

    modality = "video"
    width: int = 16

    def sampling(self) -> merc.Frames:
        """Four small frames."""
        return merc.Frames(count=4, size=(64, 64))

    def spec(self) -> merc.FeatureSpec:
        """A token for each frame."""
        return merc.FeatureSpec(dim=self.width, tokens=4)

    def prepare(self) -> merc.PrepareFunction:
        """What needs no gradient, done once and kept: the middle of each frame, ``[frames, 32, 32, 3]`` uint8."""
        return lambda clips: [np.ascontiguousarray(clip.frames[:, 16:48, 16:48]) for clip in clips]

    def build(self) -> nn.Module:
        """The network. Another one reads its weights from a file here."""
        import torch
        from torch import nn

        class Network(nn.Module):
            def __init__(self, width: int) -> None:
                super().__init__()
                self.layer = nn.Conv2d(3, width, kernel_size=8, stride=8)

            def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
                pictures = torch.cat(list(inputs)).permute(0, 3, 1, 2) / 127.5 - 1
                features = self.layer(pictures).relu().mean((2, 3))
                return list(features.split([len(one) for one in inputs]))

        with torch.random.fork_rng():
            torch.manual_seed(0)
            return Network(self.width)

    def load(self, device: str) -> merc.EncodeFunction:
        """The same for frozen features: prepared, through the network, without a gradient."""
        import torch

        prepare, network = self.prepare(), self.build().to(device).eval()

        def encode(clips: Sequence[merc.VideoClip]) -> list[merc.Features | merc.Missing]:
            inputs = [torch.from_numpy(one).to(device) for one in prepare(clips)]
            with torch.no_grad():
                return [features.cpu().numpy() for features in network(inputs)]

        return encode
