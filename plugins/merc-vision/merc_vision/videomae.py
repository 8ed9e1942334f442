"""Encoder ``videomae``: a transformer that sees the frames of a clip together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from merc import FeatureSpec, FolderOrName, Frames, MercError, Missing, VideoClip
from merc_vision.families import FamilyEncoder, Shape, counts_from_one, shape

if TYPE_CHECKING:
    from merc import EncodeFunction, Features


@dataclass(frozen=True, kw_only=True)
class VideoMae(FamilyEncoder):
    """VideoMAE's encoder (arXiv 2203.12602) by ``path``: a folder of transformers or a name on the hub, such as
    ``MCG-NJU/videomae-base``; ``revision`` fixes a version of the latter.

    It sees ``frames`` frames at equal distances together, as many as its weights were trained with (16), and puts two
    successive ones into a token; of every such pair the patches are averaged to ``pool`` x ``pool`` tokens, so 16
    frames make 32. A clip that has fewer frames shows some of them longer, at equal parts, and a note counts such
    clips. ``view`` is ``temporal``, so that recipes can put it in the place of ``clip`` or ``eva``; ``size`` is the
    side of the square that pictures are scaled to, the one of the weights. ``dtype`` is what the network computes in;
    features are float32. ``batch`` clips are held together.
    """

    modality = "video"
    family = "videomae"
    path: FolderOrName
    view: Literal["temporal"] = "temporal"
    size: int = 224
    frames: int = 16
    pool: int = 2
    revision: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    batch: int = 4

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
        known = self._shape()
        side = known.image // known.patch

        from merc_vision.network import shared
        from merc_vision.views import pooled

        network = shared(self.family, self.path, self.revision, self.dtype, device)

        def encode(clips: Sequence[VideoClip]) -> list[Features | Missing]:
            return [one(clip.frames) if len(clip.frames) else Missing("it has no frames") for clip in clips]

        def one(frames: np.ndarray) -> Features:
            shown = frames[np.arange(known.frames) * len(frames) // known.frames]
            patches = network.video(shown).reshape(-1, side, side, known.dim)
            return np.ascontiguousarray(pooled(patches, self.pool).cpu().numpy())

        return encode

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
