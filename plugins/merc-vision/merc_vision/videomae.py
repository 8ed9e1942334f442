"""Encoder ``videomae``: a transformer that sees the frames of a clip together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from merc import FeatureSpec, FolderOrName, Frames, MercError, Missing, VideoClip
from merc_vision.families import FamilyEncoder, Shape, counts_from_one, shape

if TYPE_CHECKING:
    from torch import Tensor, nn

    from merc import EncodeFunction, Features, PrepareFunction


@dataclass(frozen=True, kw_only=True)
class VideoMae(FamilyEncoder):
    """VideoMAE's encoder (arXiv 2203.12602), such as ``MCG-NJU/videomae-base``.

    It sees its frames together, puts two successive ones into a token, and averages the patches of every such pair to a
    square grid of tokens; so 16 frames make 32 tokens with ``pool: 2``. A clip that has fewer frames shows some of them
    longer, at equal parts, and a note counts such clips. Features are float32.
    """

    modality = "video"
    family = "videomae"
    path: FolderOrName
    """A folder of transformers, or a name on the hub."""
    view: Literal["temporal"] = "temporal"
    """Always ``temporal``, so that a recipe can put this encoder in the place of ``clip`` or ``eva``."""
    size: int = 224
    """The side of the square, in pixels, that pictures are scaled to: the one of the weights."""
    frames: int = 16
    """Frames of a clip, at equal distances: as many as the weights were trained with."""
    pool: int = 2
    """The side of the grid of tokens to which each pair of frames is averaged."""
    revision: str | None = None
    """The version of a model on the hub (a branch, tag or commit); null is its main one."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the network computes in; features are float32."""
    batch: int = 4
    """Clips that are held in memory and encoded together; changes no number."""

    def __post_init__(self) -> None:
        counts_from_one(self, "frames", "pool", "batch", "size")

    def sampling(self) -> Frames:
        """``frames`` square pictures at equal distances."""
        return Frames(count=self.frames, size=(self.size, self.size))

    def spec(self) -> FeatureSpec:
        """From the configuration of the weights. Raises MercError where ``frames`` or ``size`` are not theirs."""
        known = self._shape()
        return FeatureSpec(known.dim, known.frames // known.tubelet * self.pool**2)

    def load(self, device: str) -> EncodeFunction:
        """Read the weights. Raises MercError."""
        known, view = self._shape(), self._view()

        from merc_vision.network import shared

        network = shared(self.family, self.path, self.revision, self.dtype, device)

        def encode(clips: Sequence[VideoClip]) -> list[Features | Missing]:
            return [one(clip.frames) if len(clip.frames) else Missing("it has no frames") for clip in clips]

        def one(frames: np.ndarray) -> Features:
            return np.ascontiguousarray(view(network.video(_stretched(frames, known.frames))).cpu().numpy())

        return encode

    def prepare(self) -> PrepareFunction:
        """Clips to as many pictures ``[frames, height, width, 3]`` uint8 as the network sees. Raises MercError."""
        count = self._shape().frames

        def pictures(clip: VideoClip) -> np.ndarray | Missing:
            return _stretched(clip.frames, count) if len(clip.frames) else Missing("it has no frames")

        return lambda clips: [pictures(clip) for clip in clips]

    def build(self) -> nn.Module:
        """The network, from pictures to features. Raises MercError."""
        from merc_vision.network import learner

        return learner(self.family, self.path, self.revision, self._view(), together=True)

    def token_count(self, count: int) -> int:
        """A grid a pair of frames."""
        return self.spec().tokens or 1

    def _view(self) -> Callable[[Tensor], Tensor]:
        """What averages the states ``[patches, dim]`` of a video to its tokens. Raises MercError."""
        known = self._shape()
        side = known.image // known.patch

        from merc_vision.views import pooled

        return lambda states: pooled(states.reshape(-1, side, side, known.dim), self.pool)

    def _shape(self) -> Shape:
        known = shape(self.family, self.path, self.revision)
        for name, own in (("frames", known.frames), ("size", known.image)):
            if getattr(self, name) != own:
                raise MercError(
                    f"encoder 'videomae': {name}: {getattr(self, name)}; these weights have places for {own}, and only "
                    f"for them: {name}: {own}"
                )
        if self.pool > known.image // known.patch:
            raise MercError(
                f"encoder 'videomae': pool: {self.pool} cells a side of {known.image // known.patch} patches; give as "
                "many as there are patches at most"
            )
        return known


def _stretched(frames: np.ndarray, count: int) -> np.ndarray:
    """``count`` of the frames, at equal parts; of fewer some are shown longer."""
    return np.ascontiguousarray(frames[np.arange(count) * len(frames) // count])
