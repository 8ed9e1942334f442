"""The table of a benchmark: a column for each set, then averages, as Markdown, text and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a column came to. ``value`` is ``None`` where nothing could be measured; ``absent`` says why. ``beside`` are
    further numbers, by their names; ``without`` counts the samples that lacked what an encoder gives, of all that were
    asked about; ``record`` is what table.json holds of the column."""

    title: str
    value: float | None = None
    absent: str = ""
    samples: int | None = None
    beside: Mapping[str, float | None] = field(default_factory=dict)
    without: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Average:
    """The mean of the values that are there: ``over`` so many ``of`` so many columns."""

    title: str
    value: float | None
    over: int
    of: int

    @property
    def partial(self) -> bool:
        """Whether a column is lacking."""
        return self.over < self.of

    def __str__(self) -> str:
        text = percent(self.value)
        return f"{text} (partial: {self.over} of {self.of})".strip() if self.partial else text


def average(title: str, cells: Sequence[Cell], over: Sequence[str]) -> Average:
    """The mean over the columns of these titles.

    >>> average("Avg", [Cell(title="a", value=0.5), Cell(title="b")], ("a", "b"))
    Average(title='Avg', value=0.5, over=1, of=2)
    """
    values = [cell.value for cell in cells if cell.title in over and cell.value is not None]
    return Average(title, fmean(values) if values else None, len(values), len(over))


def percent(value: float | None) -> str:
    """A number from 0 to 1 as the tables of papers have it; blank where there is none.

    >>> percent(0.78914), percent(None)
    ('78.91', '')
    """
    return "" if value is None else f"{100 * value:.2f}"


def as_markdown(cells: Sequence[Cell], averages: Sequence[Average]) -> str:
    """One wide table: the numbers, below them the samples that were counted and what stands beside each number."""
    head = ["", *(cell.title for cell in cells), *(one.title for one in averages)]
    rows = [
        ["%", *(percent(cell.value) for cell in cells), *map(str, averages)],
        ["samples", *("" if cell.samples is None else f"{cell.samples:,}" for cell in cells), *("" for _ in averages)],
    ]
    for name in _beside(cells):
        rows.append(
            [words_of(name), *(shown_number(name, cell.beside.get(name)) for cell in cells), *("" for _ in averages)]
        )
    for name in _lacked(cells):
        rows.append([f"without {name}", *(_counted(name, cell) for cell in cells), *("" for _ in averages)])
    lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)]), *map(_line, rows)]
    return "\n".join(lines) + "\n"


def as_text(cells: Sequence[Cell], averages: Sequence[Average]) -> str:
    """A line a column, for a terminal."""
    names, lacked = _beside(cells), _lacked(cells)
    rows = [["", "%", "samples", *map(words_of, names), *(f"without {name}" for name in lacked), ""]]
    for cell in cells:
        counted = "" if cell.samples is None else f"{cell.samples:,}"
        beside = [
            *(shown_number(name, cell.beside.get(name)) for name in names),
            *(_counted(name, cell) for name in lacked),
        ]
        rows.append([cell.title, percent(cell.value), counted, *beside, cell.absent])
    for one in averages:
        note = f"partial: {one.over} of {one.of} columns" if one.partial else ""
        rows.append([one.title, percent(one.value), "", *("" for _ in (*names, *lacked)), note])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:-1], widths[1:], strict=True)), row[-1]])
        for row in rows
    ]
    return "".join(line.rstrip() + "\n" for line in lines)


def as_record(cells: Sequence[Cell], averages: Sequence[Average]) -> dict[str, Any]:
    """What table.json holds: values from 0 to 1, ``null`` where a set is absent."""
    columns: dict[str, Any] = {}
    for cell in cells:
        record: dict[str, Any] = {"value": cell.value, "samples": cell.samples, **cell.record}
        if cell.absent:
            record["absent"] = cell.absent
        columns[cell.title] = record
    means = {a.title: {"value": a.value, "over": a.over, "of": a.of, "partial": a.partial} for a in averages}
    return {"columns": columns, "averages": means}


def _beside(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(name for cell in cells for name in cell.beside))


def _lacked(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(name for cell in cells for name in cell.without))


def _counted(name: str, cell: Cell) -> str:
    count = cell.without.get(name)
    return "" if count is None else f"{count[0]:,} of {count[1]:,}"


def shown_number(name: str, value: float | None) -> str:
    """A number that stands beside a column's own, in per cent; what counts something is no share of anything.

    >>> shown_number("hit_precision", 0.5), shown_number("steps_per_sample", 4.25)
    ('50.00', '4.25')
    """
    if value is None:
        return ""
    return f"{value:.2f}" if name.endswith("per_sample") else percent(value)


def words_of(name: str) -> str:
    """A number's name in words.

    >>> words_of("labels_per_sample")
    'labels a sample'
    """
    return name.replace("per_sample", "a sample").replace("_", " ")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
