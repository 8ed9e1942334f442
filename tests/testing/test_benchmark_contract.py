"""Each check of the benchmarks' contract fails for a benchmark that breaks it, and says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

import merc
from merc.testing import BenchmarkContract

FINE = merc.BenchmarkTask(title="A", corpus="a", metric="classification", number="accuracy")


@dataclass(frozen=True, kw_only=True)
class Made(merc.Benchmark):
    """A benchmark of ``given`` columns and ``means``."""

    given: tuple[merc.BenchmarkTask, ...] = (FINE,)
    means: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def columns(self) -> Sequence[merc.BenchmarkTask]:
        return self.given

    def averages(self) -> Mapping[str, Sequence[str]]:
        return dict(self.means)


def check(made: Made, name: str) -> None:
    contract = type("Contract", (BenchmarkContract,), {"component": made})()
    getattr(contract, f"test_{name}")()


COLUMNS, SETS = "columns_are_columns_with_titles_of_their_own", "sets_are_names_of_files_and_splits_are_known"
METRICS, AVERAGES = "metrics_take_their_parameters", "averages_are_over_columns"


@pytest.mark.parametrize(
    ("made", "name", "said"),
    [
        (Made(given=()), COLUMNS, "Made has no column"),
        (Made(given=("A",)), COLUMNS, "a column is 'A'; it must be merc.BenchmarkTask"),  # type: ignore[arg-type]
        (Made(given=(FINE, replace(FINE, corpus="b"))), COLUMNS, r"several columns have the title \['A'\]"),
        (Made(given=(replace(FINE, corpus="a/b.jsonl"),)), SETS, "A: corpus is 'a/b.jsonl'; it must be the name of a"),
        (Made(given=(replace(FINE, splits=()),)), SETS, r"A: splits are \[\]; they are some of train, dev, test"),
        (Made(given=(replace(FINE, metric="clasification"),)), METRICS, "A: .*Did you mean 'classification'"),
        (Made(given=(replace(FINE, params={"k": 1}),)), METRICS, "A: .*takes no 'k'"),
        (Made(means=(("M", ("B",)),)), AVERAGES, r"the average 'M' is over \['B'\]; columns are \['A'\]"),
        (Made(means=(("M", ()),)), AVERAGES, "the average 'M' is over nothing"),
        (Made(means=(("M", ("A", "A")),)), AVERAGES, "the average 'M' counts a column twice"),
        (Made(means=(("A", ("A",)),)), AVERAGES, "the average 'A' has the title of a column"),
    ],
)
def test_what_breaks_the_contract_is_said(made: Made, name: str, said: str) -> None:
    check(Made(means=(("M", ("A",)),)), name)
    with pytest.raises(AssertionError, match=f"(?s){said}"):
        check(made, name)
