"""A small encoder of pictures that may learn, and what a recipe with it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import merc

DIM = 5


@dataclass(frozen=True, kw_only=True)
class Look(merc.Encoder):
    """Two tokens for each of ``frames`` frames: the mean of its upper and its lower half, through a small network that
    is drawn from ``seed``."""

    modality = "video"
    batch = 3
    frames: int = 2
    seed: int = 0

    def sampling(self) -> merc.Frames:
        return merc.Frames(count=self.frames, size=(8, 8))

    def spec(self) -> merc.FeatureSpec:
        return merc.FeatureSpec(dim=DIM, tokens=2 * self.frames)

    def network(self) -> merc.FrozenNetwork:
        return merc.FrozenNetwork(f"look {self.seed}", 3 * 7 + 7 + 14 + 7 * DIM + DIM)

    def load(self, device: str) -> Any:
        import torch

        network, prepare = self.build().to(device), self.prepare()

        @torch.inference_mode()
        def encode(clips: Sequence[merc.VideoClip]) -> list[Any]:
            given = prepare(clips)
            return [network([torch.from_numpy(one)])[0].numpy() for one in given]

        return encode

    def prepare(self) -> Any:
        return lambda clips: [np.ascontiguousarray(clip.frames) for clip in clips]

    def build(self) -> Any:
        import torch
        from torch import nn

        class Network(nn.Module):
            """Frames ``[n, 8, 8, 3]`` uint8 to features ``[2 n, dim]``; batch norm and dropout must be still."""

            def __init__(self) -> None:
                super().__init__()
                self.first = nn.Linear(3, 7)
                self.norm = nn.BatchNorm1d(7)
                self.drop = nn.Dropout(0.5)
                self.last = nn.Linear(7, DIM)

            def forward(self, inputs: Sequence[Any]) -> list[Any]:
                halves = [frames.float().div(255).unflatten(1, (2, 4)).mean((2, 3)).flatten(0, 1) for frames in inputs]
                tokens = self.last(self.drop(self.norm(self.first(torch.cat(halves))).relu()))
                return list(tokens.split([len(half) for half in halves]))

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return Network().eval()

    def token_count(self, count: int) -> int:
        return 2 * count
