"""How many parameters a model has, by part, and how many of them learn."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from merc.components import Encoder
from merc.model.emotion_model import EmotionModel


@dataclass(frozen=True)
class PartCount:
    """Parameters of one part: all, and those that learn. ``modality`` is an encoder's."""

    part: str
    total: int
    trainable: int
    modality: str | None = None


def count_parameters(model: EmotionModel) -> list[PartCount]:
    """A count for the backbone, for what its tuning added, and for each connector, fuser and head. Works on the meta
    device."""
    parts: dict[str, list[Any]] = {"backbone": [], "backbone.adapters": []}
    for name, parameter in model.llm.named_parameters():
        parts["backbone.adapters" if f"llm.{name}" in model.added else "backbone"].append(parameter)
    if not parts["backbone.adapters"]:
        del parts["backbone.adapters"]
    for kind, modules in model.kinds().items():
        parts.update({f"{kind}.{n}": list(m.parameters()) for n, m in modules.items()})
    return [
        PartCount(name, sum(p.numel() for p in ps), sum(p.numel() for p in ps if p.requires_grad))
        for name, ps in parts.items()
    ]


def count_networks(
    encoders: Mapping[str, Encoder], learning: Collection[str] = ()
) -> tuple[list[PartCount], list[str]]:
    """A count for each network of the encoders, and the streams whose encoders state none. Streams that share a frozen
    network are one part; one of ``learning`` has a network of its own."""
    streams: dict[str, list[str]] = {}
    sizes: dict[str, tuple[int, str]] = {}
    silent = []
    for stream, encoder in encoders.items():
        if (network := encoder.network()) is None:
            silent.append(stream)
            continue
        name = f"{network.name} of {stream}" if stream in learning else network.name
        streams.setdefault(name, []).append(stream)
        sizes[name] = (network.parameters, encoder.modality)
    parts = [
        PartCount(f"encoders.{'+'.join(streams[name])}", size, size if streams[name][0] in learning else 0, modality)
        for name, (size, modality) in sizes.items()
    ]
    return parts, silent


@dataclass(frozen=True)
class Share:
    """The share of parameters that learn, ``trainable / total``, and what it counts."""

    of: str
    total: int
    trainable: int

    @property
    def percent(self) -> float:
        """From 0 to 100."""
        return 100 * self.trainable / max(1, self.total)


def shares(parts: list[PartCount]) -> list[Share]:
    """The trainable share of everything, and, as papers count differently, of everything but the encoders of each
    modality and of everything but the encoders."""
    trainable = sum(p.trainable for p in parts)
    encoders = [p for p in parts if p.modality is not None]
    rows = [Share("all parts", sum(p.total for p in parts), trainable)]
    modalities = sorted({p.modality for p in encoders if p.modality})
    for modality in modalities if len(modalities) > 1 else ():
        left = sum(p.total for p in parts if p.modality != modality)
        rows.append(Share(f"all but {modality} encoders", left, trainable))
    if encoders:
        rows.append(Share("all but encoders", sum(p.total for p in parts if p.modality is None), trainable))
    return rows
