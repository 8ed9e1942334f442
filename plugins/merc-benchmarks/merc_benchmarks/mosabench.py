"""MOSABench: sentiments of several people and things in one picture, by how far apart they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merc import Benchmark, BenchmarkTask

DISTANCES = ("Interlap", "Close", "Far")
BESIDE = ("precision", "recall", "accuracy", "points_per_sample")


@dataclass(frozen=True, kw_only=True)
class MosaBench(Benchmark):
    """``mosabench``: MOSABench (Song et al., 2024), as the corpus ``mosabench`` imports it: F1 over the objects of all
    pictures and of those whose objects overlap, are close or far from each other, with precision and recall below."""

    def columns(self) -> Sequence[BenchmarkTask]:
        """All pictures, then each distance."""
        return [self._column("Overall"), *(self._column(one, distance=one.lower()) for one in DISTANCES)]

    def averages(self) -> Mapping[str, Sequence[str]]:
        """None: the overall numbers are over objects."""
        return {}

    def _column(self, title: str, **having: str) -> BenchmarkTask:
        return BenchmarkTask(
            title=title, corpus="mosabench", metric="object-sentiments", number="f1", beside=BESIDE, having=having
        )
