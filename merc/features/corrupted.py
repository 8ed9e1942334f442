"""Encoders that see corrupted clips, and the features that come of it beside the clean ones."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.components import Corruption
from merc.components.encoder import (
    AudioClip,
    Clip,
    EncodeFunction,
    Encoder,
    Features,
    Missing,
    NamedClip,
    TextClip,
    VideoClip,
)
from merc.features.key import parameters_of
from merc.features.table import FeatureTable
from merc.features.wrapped import Wrapped
from merc.passes import class_of

if TYPE_CHECKING:
    from merc.recipe import ComponentRef

UNTOUCHED = "corrupted, it is what it was"
"""The remark on a clip that a corruption left as it is."""


@dataclass(frozen=True, kw_only=True)
class Severe:
    """A corruption at one severity. ``seed`` is that of the evaluation's corruptions, not of the run."""

    corruption: Corruption
    severity: float
    seed: int

    def generator(self, content: str) -> np.random.Generator:
        """Random numbers for what has this content: the same at every severity."""
        entropy = hashlib.sha256(
            f"{self.seed}/{class_of(self.corruption)}/{content}".encode("utf-8", "surrogatepass")
        ).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(entropy, "little")))

    def apply(self, clip: Clip, name: str | None = None) -> Clip | Missing:
        """The clip as it is then; the same object where nothing was done to it, as to numbers that were measured
        before. Random numbers come from what it holds, or from its ``name``."""
        if isinstance(clip, NamedClip):
            return clip
        return self.corruption.apply(clip, self.severity, self.generator(name or _content(clip)))

    def withholds(self, utterance: str) -> bool:
        """Whether the utterance with this id has nothing of the case's streams."""
        return self.corruption.withholds(self.severity, self.generator(utterance))

    def key(self) -> dict[str, Any]:
        """What features of corrupted clips depend on beside their encoder."""
        return {
            "class": class_of(self.corruption),
            "version": self.corruption.version,
            "parameters": parameters_of(self.corruption, {"severities", "streams"}),
            "severity": self.severity,
            "seed": self.seed,
        }


@dataclass(frozen=True, kw_only=True)
class Corrupted(Wrapped):
    """Stands for an encoder in a pass over media, and corrupts what it is shown."""

    by: Severe

    def differs(self) -> Mapping[str, Any]:
        """The corruption."""
        return {"corruption": self.by.key()}

    def remark(self, clip: Clip, features: Features) -> str | None:
        """That of the encoder on what it was shown, or that nothing was done to the clip."""
        seen = self.by.apply(clip)
        if seen is clip:
            return UNTOUCHED
        return None if isinstance(seen, Missing) else self.of.remark(seen, features)

    def load(self, device: str) -> EncodeFunction:
        """The function of ``of`` on corrupted clips."""
        function = self.of.load(device)

        def encode(clips: Sequence[Clip]) -> list[Features | Missing]:
            seen = [self.by.apply(clip) for clip in clips]
            left = [clip for clip in seen if not isinstance(clip, Missing)]
            encoded = iter(function(left) if left else ())
            return [clip if isinstance(clip, Missing) else next(encoded) for clip in seen]

        return encode


def corrupted(encoders: Mapping[str, ComponentRef], by: Severe) -> dict[str, ComponentRef]:
    """The encoders, each shown corrupted clips."""
    wrapped = {}
    for name, part in encoders.items():
        assert isinstance(part.component, Encoder)
        wrapped[name] = replace(part, component=Corrupted(of=part.component, by=by))
    return wrapped


def withheld(table: FeatureTable, streams: Collection[str], utterances: Collection[str], reason: str) -> FeatureTable:
    """The table of these streams and utterances, all of them missing."""
    places = [(stream, utterance) for stream in streams for utterance in utterances]
    return replace(
        table, places={at: (Missing(reason),) for at in places}, missing=dict.fromkeys(places, reason), notes=()
    )


def _content(clip: Clip) -> str:
    """A hash of what a clip holds."""
    if isinstance(clip, TextClip):
        return clip.text
    assert not isinstance(clip, NamedClip)
    array = clip.frames if isinstance(clip, VideoClip) else clip.samples
    rate = clip.rate if isinstance(clip, AudioClip) else None
    return hashlib.sha256(f"{array.shape}/{rate}/".encode() + np.ascontiguousarray(array).tobytes()).hexdigest()
