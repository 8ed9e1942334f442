"""The benchmarks of the paper's Table 4: MER-UniBench, and MMEVerse-Bench, which holds it and nine sets; and DFEW."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from merc import Benchmark, BenchmarkTask

POLARITY = ("negative", "neutral", "positive")
# Excited counts as happy; what else IEMOCAP is labelled with is context.
IEMOCAP_CLASSES = (("happy", "happiness", "excited"), ("sad", "sadness"), ("neutral",), ("angry", "anger"))
PUBLISHED = "by the reading of affectgpt"


@dataclass(frozen=True, kw_only=True)
class MerUniBench(Benchmark):
    """``mer-unibench``: the nine sets of MER-UniBench (Lian et al., 2025), whose mean is Avg-9 of Table 4.

    Hit rates on emotion wheels (MER2023, MER2024, MELD, IEMOCAP), always with hit precision and labels a sample beside
    them; weighted F1 without neutral truths (MOSI, MOSEI, SIMS, SIMS-v2); F over the wheels (OV-MERD+). Splits and the
    numbers of samples are those of Table 2. IEMOCAP is asked about four classes: excited counts as happy, and
    utterances of any other label are context alone.

    The row "by the reading of affectgpt" has each column's number by ``merc.answers.read_lowercase``. A file
    ``mmeverse`` may hold several of the sets.
    """

    wheels: Path | None = None
    """The folder of the emotion wheels' tables, which the sets with hit rates and OV-MERD+ need."""
    neutral_answer: Literal["wrong", "negative"] = "wrong"
    """Which of the two published sentiment scores stands in the table: a neutral answer is ``wrong``, as MMEVerse's own
    program has it, or counts as ``negative``, as AffectGPT's has it. The other one stands below it under its name."""
    recognise: Literal["emotion", "think", "reason"] = "emotion"
    """What the run's prompter is asked for where it has a ``task``: an emotion alone, reasoning first (``think``, for a
    model of stage 2), or a description in which labels are looked for (``reason``)."""

    def columns(self) -> Sequence[BenchmarkTask]:
        """The columns of the upper half of Table 4, in its order."""
        sentiments = (
            ("MOSI", "cmu-mosi", 686), ("MOSEI", "cmu-mosei", 4659), ("SIMS", "ch-sims", 457),
            ("SIMS-v2", "ch-sims-v2", 1034),
        )  # fmt: skip
        return [
            self._hits("MER23", "mer2023", 411),
            self._hits("MER24", "mer2024", 1169),
            self._hits("MELD", "meld", 2610),
            self._hits("IEMOCAP", "iemocap", 1241, IEMOCAP_CLASSES),
            *(self._sentiment(*one) for one in sentiments),
            BenchmarkTask(
                title="OV-MERD+", corpus="ov-merd-plus", metric="mer-unibench-wheel-f", number="wheel_f",
                params={**self._tables(), "truth": "open_labels"}, reported=532,
                prompter={"task": "multi", "truth": "open_labels"}, **_beside("wheel_f", "labels_per_sample"),
            ),
        ]  # fmt: skip

    def collections(self) -> Sequence[str]:
        """The release of MMEVerse, imported as a whole."""
        return ("mmeverse",)

    def averages(self) -> Mapping[str, Sequence[str]]:
        """Avg-9."""
        return {"Avg-9": [column.title for column in MerUniBench.columns(self)]}

    def _tables(self) -> dict[str, Any]:
        return {} if self.wheels is None else {"wheels": str(self.wheels)}

    def _emotion(self) -> dict[str, Any]:
        """How the emotion is asked for; a description says it in words of its own."""
        return {"task": self.recognise, "truth": None if self.recognise == "reason" else "label"}

    def _hits(self, title: str, corpus: str, reported: int, classes: tuple[tuple[str, ...], ...] = ()) -> BenchmarkTask:
        return BenchmarkTask(
            title=title, corpus=corpus, metric="mer-unibench-hit-rate", number="hit_rate", params=self._tables(),
            prompter=self._emotion(), reported=reported, classes=classes,
            **_beside("hit_rate", "hit_precision", "labels_per_sample"),
        )  # fmt: skip

    def _sentiment(self, title: str, corpus: str, reported: int) -> BenchmarkTask:
        other = "negative" if self.neutral_answer == "wrong" else "wrong"
        return BenchmarkTask(
            title=title, corpus=corpus, metric="mer-unibench-sentiment-f1", params={"truth": "label"},
            number=f"weighted_f1_neutral_{self.neutral_answer}", truth="sentiment", labels=POLARITY,
            prompter={"task": "sentiment", "truth": "label"}, reported=reported,
            **_beside("weighted_f1", f"weighted_f1_neutral_{other}"),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Dfew(Benchmark):
    """``dfew``: DFEW (Jiang et al., 2020) as surveys report it: the recall of each emotion, their mean (UAR), and the
    accuracy (WAR), on the test part of the fold that the corpus ``dfew`` imported. Below UAR and WAR stand the same by
    the published reading."""

    def columns(self) -> Sequence[BenchmarkTask]:
        """Emotions in the order of the set, then both means."""
        emotions = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
        return [
            *(self._column(one[:3].title(), f"recall_{one}") for one in emotions),
            self._column("UAR", "uar", **_beside("uar")),
            self._column("WAR", "war", **_beside("war")),
        ]

    def _column(self, title: str, number: str, **beside: Any) -> BenchmarkTask:
        return BenchmarkTask(
            title=title, corpus="dfew", metric="dfew-recall", number=number,
            prompter={"task": "emotion", "truth": "label"}, **beside,
        )  # fmt: skip


def _beside(number: str, *names: str) -> dict[str, Any]:
    """Numbers to stand below one, the same by the published reading last, in the one row of all columns."""
    return {"beside": (*names, f"{number}_affectgpt"), "rows": {f"{number}_affectgpt": PUBLISHED}}


@dataclass(frozen=True, kw_only=True)
class Mmeverse(MerUniBench):
    """``mmeverse``: MMEVerse-Bench (Peng et al., sections 3.3 and 5.2): the 18 columns of Table 4, with Avg-9 over
    those of MER-UniBench and Avg-18 over all.

    Beyond MER-UniBench: accuracy on CAER, E3, DFEW (its WAR, with UAR beside), MAFW, MC-EIU, on the intentions of
    MC-EIU and the sentiment of MELD; mAP on the several labels of MAFW (clips of both its lists, the single and the
    compound one) and BOLD. Sets that are tested on their validation part too take both splits, and BOLD its dev split
    alone, as Table 2 has it.
    """

    def columns(self) -> Sequence[BenchmarkTask]:
        """The columns of both halves of Table 4, in its order."""
        both = ("dev", "test")
        sentiment, intention = ({"task": task, "truth": "label"} for task in ("sentiment", "intention"))
        return [
            *super().columns(),
            self._accuracy("CAER", "caer", 3953, both),
            self._accuracy("E3", "e3", 3288, both),
            BenchmarkTask(
                title="DFEW", corpus="dfew", metric="dfew-recall", number="war", reported=2341,
                prompter=self._emotion(), **_beside("war", "uar"),
            ),
            self._accuracy("MAFW", "mafw", 1839),
            self._several("MAFW-m", "mafw", 580, "test", ("label",)),
            self._several("BOLD", "bold", 1116, "dev"),
            self._accuracy("MELD-s", "meld", 3719, both, "sentiment", sentiment, POLARITY),
            self._accuracy("MC-EIU-i", "mc-eiu", 3249, both, "intention", intention),
            self._accuracy("MC-EIU", "mc-eiu", 3249, both),
        ]  # fmt: skip

    def averages(self) -> Mapping[str, Sequence[str]]:
        """Avg-9 and Avg-18."""
        return {**super().averages(), "Avg-18": [column.title for column in self.columns()]}

    def _accuracy(
        self,
        title: str,
        corpus: str,
        reported: int,
        splits: tuple[Literal["dev", "test"], ...] = ("test",),
        truth: str = "label",
        prompter: Mapping[str, Any] | None = None,
        labels: tuple[str, ...] = (),
    ) -> BenchmarkTask:
        return BenchmarkTask(
            title=title, corpus=corpus, splits=splits, metric="mmeverse-recognition", number="accuracy", truth=truth,
            prompter=prompter or self._emotion(), labels=labels, reported=reported,
            **_beside("accuracy"),
        )  # fmt: skip

    def _several(
        self, title: str, corpus: str, reported: int, split: Literal["dev", "test"], needs: tuple[str, ...] = ()
    ) -> BenchmarkTask:
        return BenchmarkTask(
            title=title, corpus=corpus, splits=(split,), metric="multi-label", number="map", params={"truth": "labels"},
            prompter={"task": "multi", "truth": "labels"}, reported=reported, needs=needs,
            **_beside("map", "labels_per_sample"),
        )  # fmt: skip
