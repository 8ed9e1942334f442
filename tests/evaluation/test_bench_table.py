"""The table of a benchmark: what is absent is blank, what is partial says so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from merc.evaluation.benchmark_table import Cell, as_markdown, as_record, as_text, average

CELLS = [
    Cell(
        title="A",
        value=0.78914,
        samples=1169,
        beside={"hit_precision": 0.5, "labels_per_sample": 1.25},
        without={"voice": (3, 1200)},
    ),
    Cell(title="B", absent="no b.jsonl or .parquet"),
    Cell(title="C|D", value=0.5, samples=4, record={"metric": "classification"}, without={"voice": (0, 4)}),
]
MEANS = [average("Avg-3", CELLS, ("A", "B", "C|D")), average("Avg-2", CELLS, ("A", "C|D")), average("None", CELLS, "B")]


def test_markdown() -> None:
    assert as_markdown(CELLS, MEANS).splitlines() == [
        "|  | A | B | C\\|D | Avg-3 | Avg-2 | None |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| % | 78.91 |  | 50.00 | 64.46 (partial: 2 of 3) | 64.46 | (partial: 0 of 1) |",
        "| samples | 1,169 |  | 4 |  |  |  |",
        "| hit precision | 50.00 |  |  |  |  |  |",
        "| labels a sample | 1.25 |  |  |  |  |  |",
        "| without voice | 3 of 1,200 |  | 0 of 4 |  |  |  |",
    ]


def test_text() -> None:
    assert as_text(CELLS, MEANS).splitlines() == [
        "           %  samples  hit precision  labels a sample  without voice",
        "A      78.91    1,169          50.00             1.25     3 of 1,200",
        "B                                                                     no b.jsonl or .parquet",
        "C|D    50.00        4                                         0 of 4",
        "Avg-3  64.46                                                          partial: 2 of 3 columns",
        "Avg-2  64.46",
        "None                                                                  partial: 0 of 1 columns",
    ]


def test_record() -> None:
    found = as_record(CELLS, MEANS)
    assert found["columns"] == {
        "A": {"value": 0.78914, "samples": 1169},
        "B": {"value": None, "samples": None, "absent": "no b.jsonl or .parquet"},
        "C|D": {"value": 0.5, "samples": 4, "metric": "classification"},
    }
    assert found["averages"]["Avg-3"] == {"value": (0.78914 + 0.5) / 2, "over": 2, "of": 3, "partial": True}
    assert found["averages"]["None"] == {"value": None, "over": 0, "of": 1, "partial": True}


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=20))
def test_a_mean_is_over_what_is_there(values: list[float | None]) -> None:
    cells = [Cell(title=str(i), value=value) for i, value in enumerate(values)]
    found = average("Avg", cells, [cell.title for cell in cells])
    there = [value for value in values if value is not None]
    assert (found.over, found.of, found.partial) == (len(there), len(values), len(there) < len(values))
    assert found.value is None if not there else abs(found.value - sum(there) / len(there)) < 1e-12
