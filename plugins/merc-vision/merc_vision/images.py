"""Encoders ``clip``, ``mae`` and ``eva``: an image transformer by path, and three views of a clip through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from merc import FeatureSpec, FolderOrName, Frames, MercError, Missing, VideoClip
from merc_vision.families import FamilyEncoder, Shape, counts_from_one, shape

if TYPE_CHECKING:
    from torch import Tensor, nn

    from merc import EncodeFunction, Features

SIZES = {"global": 448, "cls": 448, "temporal": 224}
"""Pixels of a side, where ``size`` says nothing."""


@dataclass(frozen=True, kw_only=True)
class ImageTransformer(FamilyEncoder):
    """What the encoders of this module share; see each of them."""

    modality = "video"
    path: FolderOrName
    """A folder of transformers, or a name on the hub."""
    view: Literal["global", "cls", "temporal"] = "global"
    """What is taken of the last hidden state: the patches of the middle frame (``global``), its CLS token (``cls``), or
    averaged patches of several frames (``temporal``)."""
    size: int | None = None
    """The side of the square, in pixels, that pictures are scaled to; null is 448 for ``global`` and ``cls``, 224 for
    ``temporal``. Learned places are interpolated where the weights have others."""
    merge: int | Literal["square", "row"] = "square"
    """Which patches of the view ``global`` become one token: a ``square`` of 2 x 2, four that follow each other in a
    ``row`` (as the authors' program has it), or n for squares of n x n."""
    frames: int = 16
    """Frames of the view ``temporal``, at equal distances."""
    pool: int = 2
    """The side of the grid of tokens to which each frame of the view ``temporal`` is averaged."""
    revision: str | None = None
    """The version of a model on the hub (a branch, tag or commit); null is its main one."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the network computes in; features are float32."""
    batch: int = 4
    """Clips that are encoded together; changes no number."""

    def __post_init__(self) -> None:
        counts_from_one(self, "frames", "pool", "batch", "size")
        if isinstance(self.merge, int):
            counts_from_one(self, "merge")

    def sampling(self) -> Frames:
        """The middle frame, or ``frames`` at equal distances; square pictures of ``size`` pixels."""
        side = self.size or SIZES[self.view]
        if self.view == "temporal":
            return Frames(count=self.frames, size=(side, side))
        return Frames(count=1, strategy="middle", size=(side, side))

    def spec(self) -> FeatureSpec:
        """From the configuration of the weights. Raises MercError where ``size`` doesn't suit them."""
        known = shape(self.family, self.path, self.revision)
        side = self._side(known)
        if self.view == "cls":
            return FeatureSpec(known.dim, 1)
        if self.view == "temporal":
            return FeatureSpec(known.dim, self.frames * self.pool**2)
        high, wide = self._block
        return FeatureSpec(known.dim * high * wide, (side // high) * (side // wide))

    def load(self, device: str) -> EncodeFunction:
        """Read the weights, unless another encoder of this process has them in memory. Raises MercError."""
        view = self._view()

        from merc_vision.network import shared

        network = shared(self.family, self.path, self.revision, self.dtype, device)
        asker = object()

        def encode(clips: Sequence[VideoClip]) -> list[Features | Missing]:
            there = [clip for clip in clips if len(clip.frames)]
            states = iter(network.states(there, asker, keep=self.view != "temporal"))
            return [
                np.ascontiguousarray(view(next(states)).cpu().numpy())
                if len(clip.frames)
                else Missing("it has no frames")
                for clip in clips
            ]

        return encode

    def build(self) -> nn.Module:
        """The network, from pictures to features. Raises MercError."""
        from merc_vision.network import learner

        return learner(self.family, self.path, self.revision, self._view())

    def token_count(self, count: int) -> int:
        """Those of so many pictures."""
        tokens = self.spec().tokens
        return count * self.pool**2 if self.view == "temporal" else tokens or 1

    def _view(self) -> Callable[[Tensor], Tensor]:
        """What takes the tokens ``[tokens, dim]`` of the states ``[frames, 1 + patches, dim]`` of a clip. Raises
        MercError where ``size`` doesn't suit the weights."""
        side = self._side(shape(self.family, self.path, self.revision))

        from merc_vision.views import neighbours, pooled

        def view(states: Tensor) -> Tensor:
            if self.view == "cls":
                return states[:, 0]
            patches = states[:, 1:].reshape(len(states), side, side, -1)
            return pooled(patches, self.pool) if self.view == "temporal" else neighbours(patches[0], *self._block)

        return view

    @property
    def _block(self) -> tuple[int, int]:
        """The height and width of the patches that become one token."""
        if isinstance(self.merge, int):
            return self.merge, self.merge
        return (1, 4) if self.merge == "row" else (2, 2)

    def _side(self, known: Shape) -> int:
        """Patches of a side. Patches at an edge that are not whole would be left out silently."""
        size = self.size or SIZES[self.view]
        high, wide = self._block
        unit = known.patch * (max(high, wide) if self.view == "global" else 1)
        if size % unit:
            why = f"{high} x {wide} patches" if unit > known.patch else "patches"
            raise MercError(
                f"encoder {self.family!r}: size: {size} pixels are not whole {why} of {known.patch} pixels a side; "
                f"{max(size // unit, 1) * unit} would do"
            )
        if self.view == "temporal" and size // known.patch < self.pool:
            raise MercError(
                f"encoder {self.family!r}: pool: {self.pool} cells a side of {size // known.patch} patches; give as "
                "many as there are patches at most"
            )
        return size // known.patch


@dataclass(frozen=True, kw_only=True)
class Clip(ImageTransformer):
    """CLIP's image transformer (arXiv 2103.00020), such as ``openai/clip-vit-large-patch14``.

    ``view`` says what is taken of its last hidden state, as Emotion-LLaMAv2 does (section 5.1):

    - ``global``: every patch of the middle frame without CLS, four neighbours set side by side as one token of four
      times as many numbers. 448 pixels with patches of 14 make 256 tokens.
    - ``cls``: the CLS token of the middle frame.
    - ``temporal``: several frames at equal distances, the patches of each averaged to a square grid of tokens.
    """

    family = "clip"


@dataclass(frozen=True, kw_only=True)
class Mae(ImageTransformer):
    """The encoder of a masked autoencoder (arXiv 2111.06377), such as ``facebook/vit-mae-large``, shown all patches.
    The parameters are those of ``clip``."""

    family = "mae"


@dataclass(frozen=True, kw_only=True)
class Eva(ImageTransformer):
    """EVA ViT-g/14 (arXiv 2211.07636) as BLIP-2 uses it: ``Salesforce/blip2-opt-2.7b`` or another BLIP-2, of which the
    vision tower is read (with its last normalisation), or a folder that holds a ``Blip2VisionModel`` alone.

    1,408 numbers per token; 256 tokens of 4 x 1,408 in the view ``global``. The parameters are those of ``clip``.
    """

    family = "eva"
