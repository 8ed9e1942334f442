"""EmoBench-M: thirteen scenarios of emotional intelligence in videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merc import Benchmark, BenchmarkTask
from merc_benchmarks.bert_score import EMBEDDER

SCENARIOS = {
    "SOER": "ravdess-song", "SPER": "ravdess-speech", "SCEA": "fmsa-sc", "CEIA": "mc-eiu", "MPDER": "meld",
    "HU": "ur-funny", "SD": "mustard", "LR": "smile",
}  # fmt: skip
"""The set of each scenario that its name tells."""
FURTHER = ("cmu-mosi", "cmu-mosei", "ch-sims", "ch-sims-v2", "mer2023")
GROUPS = {
    "FER": ("SOER", "SPER", "OSA", "EIA", "SCEA"),
    "CEU": ("FGDEA", "PEA", "FCDEA", "CEIA", "MPDER"),
    "Social": ("HU", "SD"),
}
"""Foundational emotion recognition, conversational emotion understanding, socially complex emotion analysis."""
NO_JUDGE = "no judge: name judge=MODEL with base_url=ADDRESS or judgements=FILE"


@dataclass(frozen=True, kw_only=True)
class EmoBenchM(Benchmark):
    """``emobench-m``: EmoBench-M (Hu et al., 2025), as the corpus ``emobench-m`` imports it.

    Accuracy on eleven sets of one label, with weighted F1 below it; on MC-EIU, emotion and intent both right; on SMILE,
    why an audience laughs: BLEU-4, ROUGE-L, BERTScore by the embedder, and a judge's points for logic, for multimodal
    content, and both together. The paper's means of groups stand behind the columns, laughter without (as there).

    Which of five sets (MOSI, MOSEI, SIMS, SIMS v2, MER2023) is which of the scenarios OSA, EIA, FGDEA, PEA and FCDEA
    is not said where the data are published, so these columns bear the sets' names, and the means FER and CEU are
    those of the scenarios that are known until ``scenarios`` names the others.
    """

    scenarios: Mapping[str, str] = field(default_factory=dict)
    """The sets of further scenarios, such as ``{OSA: cmu-mosi}``."""
    judge: str | None = None
    """The judge's name on its server; null leaves its columns out."""
    base_url: str | None = None
    """The address of the judge's server."""
    judgements: Path | None = None
    """The file of the judge's raw answers, replayed and added to."""
    key: str | None = None
    """The *name* of the environment variable that holds the judge's key."""
    embedder: str = EMBEDDER
    """The embedder of BERTScore: ``minilm``, or a folder or hub name."""

    def __post_init__(self) -> None:
        known = {one for group in GROUPS.values() for one in group} | {"LR"}
        for scenario, name in self.scenarios.items():
            if scenario not in known or scenario in SCENARIOS:
                free = ", ".join(sorted(known - set(SCENARIOS)))
                raise ValueError(f"scenarios names {scenario!r}; those without a set of their own are {free}")
            if name not in FURTHER:
                raise ValueError(f"scenarios.{scenario} is {name!r}; it is one of {', '.join(FURTHER)}")
        if len(set(self.scenarios.values())) != len(self.scenarios):
            raise ValueError("scenarios names one set twice")

    def columns(self) -> Sequence[BenchmarkTask]:
        """The scenarios in the paper's order, sets without one behind those of their kind, laughter last."""
        sets = {**SCENARIOS, **self.scenarios}
        order = [*GROUPS["FER"], *GROUPS["CEU"], *GROUPS["Social"]]
        titles = [one for one in order if one in sets]
        nameless = [name for name in FURTHER if name not in sets.values()]
        at = titles.index("CEIA")
        named = [(title, sets[title]) for title in titles]
        pairs = [*named[:at], *((name, name) for name in nameless), *named[at:]]
        return [*(self._pair(t, s) if s == "mc-eiu" else self._label(t, s) for t, s in pairs), *self._laughter()]

    def collections(self) -> Sequence[str]:
        """The benchmark, imported as a whole."""
        return ("emobench-m",)

    def averages(self) -> Mapping[str, Sequence[str]]:
        """The paper's means of groups, over the scenarios that are known (the title says how many, where not all are),
        and the mean of all accuracies."""
        titles = [task.title for task in self.columns() if not task.title.startswith("LR")]
        groups = {}
        for name, group in GROUPS.items():
            known = [one for one in group if one in titles]
            part = "" if len(known) == len(group) else f" ({len(known)} of {len(group)} scenarios)"
            groups[f"{name}{part}"] = known
        return {**groups, "All accuracies": titles}

    def _label(self, title: str, name: str) -> BenchmarkTask:
        return BenchmarkTask(
            title=title, corpus=f"emobench-m-{name}", metric="one-of-labels", number="accuracy", beside=("f1",)
        )

    def _pair(self, title: str, name: str) -> BenchmarkTask:
        return BenchmarkTask(
            title=title, corpus=f"emobench-m-{name}", metric="emotion-and-intent", number="accuracy", beside=("f1",)
        )

    def _laughter(self) -> list[BenchmarkTask]:
        of_judge = judge_parameters(self)

        def column(title: str, metric: str, number: str, judged: bool = False, **params: Any) -> BenchmarkTask:
            return BenchmarkTask(
                title=f"LR {title}", corpus="emobench-m-smile", metric=metric, number=number,
                params={**params, **(of_judge if judged else {})},
                left_out=NO_JUDGE if judged and not of_judge else "",
            )  # fmt: skip

        return [
            column("B-4", "text-overlap", "bleu_4"),
            column("R-L", "text-overlap", "rouge_l"),
            column("BS", "bert-score", "bert_score", path=self.embedder),
            column("logic.", "laughter-judge", "logic", True),
            column("mm.", "laughter-judge", "multimodal", True),
            column("Total", "laughter-judge", "total", True),
        ]


def judge_parameters(benchmark: Any) -> dict[str, Any]:
    """The parameters of a benchmark's judge that its metric takes; none where no judge is named."""
    if benchmark.judge is None or (benchmark.base_url is None and benchmark.judgements is None):
        return {}
    named = {"base_url": benchmark.base_url, "key": benchmark.key}
    replayed = {} if benchmark.judgements is None else {"judgements": str(benchmark.judgements)}
    return {"model": benchmark.judge, **replayed, **{name: value for name, value in named.items() if value is not None}}
