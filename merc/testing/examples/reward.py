"""Example, a reward: replace what it looks for with what a good answer is to you."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Reward):
    """1 for an answer of at most ``words`` words that the model ended itself, else 0. ``weight`` is its share among
    several rewards."""

    words: int = 20

    def scores(self, query: merc.Query, answers: Sequence[merc.Generation]) -> Sequence[float]:
        """A number for each answer."""
        return [float(answer.ended and len(answer.text.split()) <= self.words) for answer in answers]
