"""The key of a feature: all that its numbers depend on, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from merc.components.base import Component
from merc.components.encoder import Encoder, Frames, Named, NoMedia, Words
from merc.conversation import Region
from merc.errors import MercError
from merc.files import hash_file
from merc.media import MEDIA_VERSION
from merc.passes import class_of, digest, sampling_of


@dataclass(frozen=True)
class Source:
    """What is encoded: the hash of a file, the span within it and the region of its picture, or a text, or the id of an
    utterance."""

    content: str
    start: float | None = None
    end: float | None = None
    region: Region | None = None


def recipe_of(name: str, encoder: Encoder) -> Mapping[str, Any]:
    """All of an encoder that its numbers depend on, as plain values. Raises MercError for a file that is not there."""
    sampling = encoder.sampling()
    identity = dict(encoder.identity())
    return {
        "encoder": name.rpartition("/")[2],
        "class": class_of(encoder),
        "version": encoder.version,
        "parameters": parameters_of(encoder, {"batch"}),  # how many clips go together does not matter
        **({"identity": identity} if identity else {}),
        "sampling": [type(sampling).__name__, sampling_of(sampling)],
        "media": 0 if isinstance(sampling, NoMedia) else MEDIA_VERSION,
    }


def parameters_of(component: Component, without: Collection[str] = ()) -> dict[str, Any]:
    """A component's parameters as they stand in a key: where a file lies does not matter, what it holds does. Raises
    MercError for a file that is not there."""
    return {key: _content(value, key) for key, value in asdict(component).items() if key not in without}


def _content(value: object, key: str) -> object:
    if isinstance(value, dict):
        return {name: _content(one, key) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_content(one, key) for one in value]
    if not isinstance(value, Path):
        return value
    if value.is_dir():
        return str(value)
    try:
        return f"sha256:{hash_file(value)}"
    except OSError as error:
        raise MercError(f"{key.removesuffix('_')}: the file {value} cannot be read: {error.strerror}") from None


def key_of(source: Source, recipe: Mapping[str, Any], encoder: Encoder, seed: int, draw: int) -> str:
    """64 hexadecimal digits. The seed counts only where it is used, so that other seeds find the same features."""
    sampling = encoder.sampling()
    random = isinstance(sampling, Frames) and sampling.strategy == "random"
    whole = {
        **recipe,
        "source": [
            "text" if isinstance(sampling, Words) else "name" if isinstance(sampling, Named) else "file",
            source.content,
            source.start,
            source.end,
            *([list(source.region)] if source.region else []),
        ],
        "random": [seed, draw] if random else None,
    }
    return digest(whole, f"encoder {recipe['encoder']!r}: its parameters")
