"""Modalities that are not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

import merc


@dataclass(frozen=True, kw_only=True)
class Withhold(merc.Corruption):
    """Whole streams that are missing, as if the file were not there: the prompt goes without them.

    ``severities`` are the shares of utterances that lack them, above 0 up to 1; a larger share has all utterances of a
    smaller one. ``streams`` names the encoders whose features are withheld, together; none stands for all that are
    shown. With ``combinations`` each of them is withheld alone, and each group of them together, a row for each.
    """

    modalities = ("audio", "video", "text")
    unit = "of utterances"
    severities: tuple[float, ...] = (1.0,)
    combinations: bool = False

    def fault(self, severity: float) -> str | None:
        """A share that takes something away."""
        return None if 0 < severity <= 1 else "is no share above 0 and up to 1"

    def cases(self, streams: Mapping[str, str]) -> Sequence[merc.CorruptionCase]:
        """A row for each severity, and with ``combinations`` for each group of streams, smaller groups first."""
        groups = [tuple(streams)]
        if self.combinations:
            groups = [group for size in range(1, len(streams) + 1) for group in combinations(streams, size)]
        return [merc.CorruptionCase(severity, group) for group in groups for severity in self.severities]

    def withholds(self, severity: float, rng: np.random.Generator) -> bool:
        """Whether this utterance is one of those."""
        return bool(rng.random() < severity)
