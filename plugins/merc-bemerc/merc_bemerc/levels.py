"""Measured values as levels relative to a speaker: "high" is high for whoever speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MEASURES = ("loudness", "loudness_variation", "pitch", "pitch_variation", "rate", "rate_variation")
"""What is measured of an utterance; a value that could not be measured is not there."""

Measured = Mapping[str, float]

_LOW_TO_HIGH = {3: ("low", "medium", "high"), 5: ("very low", "low", "medium", "high", "very high")}
_SLOW_TO_FAST = {3: ("slow", "medium", "fast"), 5: ("very slow", "slow", "medium", "fast", "very fast")}


@dataclass(frozen=True)
class Levels:
    """The edges between levels, by measure: quantiles of the values of a speaker, or of all."""

    edges: Mapping[str, npt.NDArray[np.float64]]

    @staticmethod
    def of(values: Sequence[Measured], quantiles: Sequence[float], least: int) -> Levels:
        """The quantiles of each measure that at least ``least`` utterances have."""
        edges = {}
        for name in MEASURES:
            known = [one[name] for one in values if name in one]
            if len(known) >= least:
                edges[name] = np.quantile(np.array(known, float), quantiles)
        return Levels(edges)

    def level(self, name: str, value: float) -> int | None:
        """Which level a value has, from 0; None where there are no edges. Where edges fall together, as for somebody
        who is always equally loud, a value on them has the level in the middle.

        >>> same = Levels.of([{"pitch": 100.0}] * 5, (0.25, 0.75), 5)
        >>> [same.level("pitch", value) for value in (90.0, 100.0, 110.0)]
        [0, 1, 2]
        """
        edges = self.edges.get(name)
        if edges is None:
            return None
        below, upto = (int(np.searchsorted(edges, value, side=side)) for side in ("left", "right"))
        return (below + upto + 1) // 2 if upto - below == 1 else (below + upto) // 2


def describe(levels: Mapping[str, int], count: int, unpitched: bool = False) -> str:
    """Levels of ``count`` as words; what has no level is left out. ``unpitched`` says that no pitch could be measured.

    >>> describe({"loudness": 2, "loudness_variation": 0, "pitch": 1, "rate": 2}, 3)
    'high volume with low variation, medium pitch, fast speaking rate'
    >>> describe({"loudness": 0}, 3, unpitched=True)
    'low volume, no measurable pitch'
    """
    phrases = []
    for name, what, words in (
        ("loudness", "volume", _LOW_TO_HIGH),
        ("pitch", "pitch", _LOW_TO_HIGH),
        ("rate", "speaking rate", _SLOW_TO_FAST),
    ):
        if name in levels:
            variation = levels.get(f"{name}_variation")
            with_ = "" if variation is None else f" with {_LOW_TO_HIGH[count][variation]} variation"
            phrases.append(f"{words[count][levels[name]]} {what}{with_}")
        elif name == "pitch" and unpitched:
            phrases.append("no measurable pitch")
    return ", ".join(phrases)
