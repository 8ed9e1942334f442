"""MME-Emotion: recognition and reasoning in eight tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merc import Benchmark, BenchmarkTask
from merc_benchmarks.emobench_m import NO_JUDGE, judge_parameters

TASKS = {
    "ER-Lab": 500, "ER-Wild": 1800, "Noise-ER": 500, "FG-ER": 500, "ML-ER": 600, "SA": 1600, "FG-SA": 500, "IR": 500,
}  # fmt: skip
"""How many clips the release has of each task; the paper states their sum."""
CORPUS = "mme-emotion"


@dataclass(frozen=True, kw_only=True)
class MmeEmotion(Benchmark):
    """``mme-emotion``: MME-Emotion (Zhang et al., 2025), as the corpus ``mme-emotion`` imports it.

    Rec-S, Rea-S and CoT-S (the mean of both) over all samples together, by a judge, with average steps and tokens below
    CoT-S; then CoT-S of each of the eight tasks, with its Rec-S and Rea-S below; and, without a judge, the recognition
    score by the labels that merc reads in an answer.
    """

    judge: str | None = None
    """The judge's name on its server; null leaves its columns out."""
    base_url: str | None = None
    """The address of the judge's server."""
    judgements: Path | None = None
    """The file of the judge's raw answers, replayed and added to."""
    key: str | None = None
    """The *name* of the environment variable that holds the judge's key."""
    frames: int = 10
    """How many frames of a clip the judge sees, one a second; 0 for a judge that sees nothing."""

    def columns(self) -> Sequence[BenchmarkTask]:
        """Overall scores, tasks, and recognition read without a judge."""
        return [
            self._judged("Rec-S", CORPUS, "recognition"),
            self._judged("Rea-S", CORPUS, "reasoning"),
            self._judged("CoT-S", CORPUS, "cot", "steps_per_sample", "tokens_per_sample"),
            *(self._judged(task, _set(task), "cot", "recognition", "reasoning") for task in TASKS),
            self._read("Rec-S read", CORPUS),
            *(self._read(f"{task} read", _set(task)) for task in TASKS),
        ]

    def collections(self) -> Sequence[str]:
        """The benchmark, imported as a whole, of which Rec-S, Rea-S and CoT-S are."""
        return (CORPUS,)

    def averages(self) -> Mapping[str, Sequence[str]]:
        """None: the overall scores are over samples."""
        return {}

    def _judged(self, title: str, corpus: str, number: str, *beside: str) -> BenchmarkTask:
        of_judge: dict[str, Any] = judge_parameters(self)
        return BenchmarkTask(
            title=title, corpus=corpus, metric="mme-emotion-judge", number=number, beside=beside,
            params={**of_judge, "frames": self.frames} if of_judge else {}, left_out="" if of_judge else NO_JUDGE,
            reported=_count(corpus),
        )  # fmt: skip

    def _read(self, title: str, corpus: str) -> BenchmarkTask:
        return BenchmarkTask(
            title=title, corpus=corpus, metric="labels-read", number="recognition", beside=("precision",),
            reported=_count(corpus),
        )  # fmt: skip


def _set(task: str) -> str:
    return f"{CORPUS}-{task.lower()}"


def _count(corpus: str) -> int:
    return sum(count for task, count in TASKS.items() if corpus in (CORPUS, _set(task)))
