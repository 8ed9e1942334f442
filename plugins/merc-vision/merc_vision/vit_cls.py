"""Encoder ``vit-cls``: one picture an utterance, and one token, FARCER's view of a conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from merc import FeatureSpec, FolderOrName, Frames, MercError, Missing, VideoClip
from merc_vision.families import FamilyEncoder, counts_from_one, shape

if TYPE_CHECKING:
    from torch import nn

    from merc import EncodeFunction, Features, PrepareFunction


@dataclass(frozen=True, kw_only=True)
class ViTCls(FamilyEncoder):
    """A token: the CLS vector of a ViT's last hidden state, of one picture an utterance (FARCER, equations 2 and 3).
    FARCER's ViT is ``trpakov/vit-face-expression``, which was trained on facial emotion.

    ``sharpest-face`` finds faces with merc-embedded, which merc-vision does without otherwise (``pip install
    merc-vision[faces]``): the sharpness of a whole picture is mostly that of the background. Of a clip with no face in
    any of its candidates the middle one is taken, and a note says so.
    """

    modality = "video"
    family = "vit-cls"
    path: FolderOrName
    """A folder of transformers, or a name on the hub."""
    frame: Literal["middle", "sharpest-face"] = "middle"
    """Which picture of the clip: the one in the ``middle``, or the candidate with the ``sharpest-face``."""
    candidates: int = 8
    """How many frames, at equal distances, ``sharpest-face`` chooses among."""
    size: int = 224
    """The side of the square, in pixels, that the whole picture is scaled to. Learned places are interpolated where the
    weights have others."""
    revision: str | None = None
    """The version of a model on the hub (a branch, tag or commit); null is its main one."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the network computes in; features are float32."""
    batch: int = 8
    """Clips that are encoded together; changes no number."""

    def __post_init__(self) -> None:
        counts_from_one(self, "candidates", "size", "batch")
        if self.frame == "sharpest-face" and find_spec("merc_embedded") is None:
            raise ValueError(
                "frame: sharpest-face needs merc-embedded to find faces; install it with: pip install "
                "merc-vision[faces], or take frame: middle"
            )

    def sampling(self) -> Frames:
        """The middle frame; or the candidates in the video's own size, so that small faces stay sharp."""
        if self.frame == "middle":
            return Frames(count=1, strategy="middle", size=(self.size, self.size))
        return Frames(count=self.candidates)

    def spec(self) -> FeatureSpec:
        """One token. Raises MercError where ``size`` doesn't suit the weights."""
        known = shape(self.family, self.path, self.revision)
        if self.size % known.patch:
            raise MercError(
                f"encoder 'vit-cls': size: {self.size} pixels are not whole patches of {known.patch} pixels a side; "
                f"{max(self.size // known.patch, 1) * known.patch} would do"
            )
        return FeatureSpec(known.dim, 1)

    def identity(self) -> Mapping[str, Any]:
        """The weights, and which frame stands in where no face is found."""
        known = dict(super().identity())
        return known if self.frame == "middle" else {**known, "without a face": "middle"}

    def remark(self, clip: VideoClip, features: Features) -> str | None:
        """That no face was found, where one was looked for."""
        if self.frame == "middle":
            return None

        from merc_vision.sharpest import FACELESS

        return "no face found in any candidate, so the middle one was taken" if clip in FACELESS else None

    def load(self, device: str) -> EncodeFunction:
        """Read the weights. Raises MercError."""
        self.spec()

        from merc_vision.network import shared

        network = shared(self.family, self.path, self.revision, self.dtype, device)
        asker = object()
        choose = self._chooser() if self.frame == "sharpest-face" else None

        def encode(clips: Sequence[VideoClip]) -> list[Features | Missing]:
            chosen = [None if not len(clip.frames) else clip if choose is None else choose(clip) for clip in clips]
            states = iter(network.states([clip for clip in chosen if clip is not None], asker, keep=choose is None))
            return [
                Missing("it has no frames")
                if picture is None
                else np.ascontiguousarray(next(states)[:, 0].cpu().numpy())
                for picture in chosen
            ]

        return encode

    def prepare(self) -> PrepareFunction:
        """Clips to the one picture ``[1, height, width, 3]`` uint8 that the network sees."""
        if self.frame == "middle":
            return super().prepare()
        choose = self._chooser()
        return lambda clips: [self._pictures(choose(clip) if len(clip.frames) else clip) for clip in clips]

    def build(self) -> nn.Module:
        """The network, from pictures to their CLS vectors. Raises MercError."""
        self.spec()

        from merc_vision.network import learner

        return learner(self.family, self.path, self.revision, lambda states: states[:, 0])

    def _chooser(self):
        from merc_vision.sharpest import FaceChooser

        return FaceChooser(self.size)
