"""Example, a benchmark: replace the sets with those of your benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Benchmark):
    """Emotions of two sets and the sentiment of one, by one ``number`` of merc's own metric, and the mean of each."""

    number: str = "weighted_f1"

    def columns(self) -> Sequence[merc.BenchmarkTask]:
        """A column a set; the same set may be asked in two ways."""
        tasks = {"MELD": ("meld", "label"), "MELD-s": ("meld", "sentiment"), "IEMOCAP": ("iemocap", "label")}
        return [
            merc.BenchmarkTask(title=title, corpus=corpus, truth=truth, metric="classification", number=self.number)
            for title, (corpus, truth) in tasks.items()
        ]

    def averages(self) -> Mapping[str, Sequence[str]]:
        """What stands after the columns."""
        return {"Emotion": ("MELD", "IEMOCAP"), "All": ("MELD", "MELD-s", "IEMOCAP")}
