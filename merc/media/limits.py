"""What decoding one file may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from merc.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Limits:
    """``seconds`` for the frames or the sound of one span of a file, ``gigabytes`` of memory beside what a decoder
    process takes by itself, and ``megapixels`` a picture, in millions; ``None`` sets no limit. An 8K clip (33 million
    pixels) passes the defaults."""

    seconds: float | None = 300.0
    gigabytes: float | None = 6.0
    megapixels: float | None = 64.0

    @property
    def pixels(self) -> int | None:
        """How many pixels a picture may have."""
        return None if self.megapixels is None else round(self.megapixels * 1e6)


NO_LIMITS = Limits(seconds=None, gigabytes=None, megapixels=None)


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How a pass decodes media: in how many processes at once, and within which limits for a file."""

    workers: int = 2
    limits: Limits = Limits()

    @classmethod
    def of(cls, recipe: Recipe) -> Decoding:
        """What the ``features`` section of a recipe states."""
        section = recipe.features
        limits = Limits(
            seconds=section.decode_seconds, gigabytes=section.decode_gigabytes, megapixels=section.decode_megapixels
        )
        return cls(workers=max(1, section.workers), limits=limits)


DECODING = Decoding()
"""What holds where nobody states anything else."""
