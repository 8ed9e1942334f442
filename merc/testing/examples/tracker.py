"""Example, a tracker: replace where it writes the numbers with where yours shows them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Tracker):
    """The numbers of a run as a table for a spreadsheet, a row each: ``numbers.csv`` in the tracker's folder.

    ``separator`` stands between its columns."""

    separator: str = ","

    def start(self, run: merc.TrackedRun) -> Table:
        """The table of a run; one that goes on from a checkpoint adds to it."""
        return Table(run.folder / "numbers.csv", self.separator)


class Table:
    """A file that grows by a row for each number."""

    def __init__(self, path: Path, separator: str) -> None:
        self.path, self.separator = path, separator
        path.parent.mkdir(parents=True, exist_ok=True)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """A row for each number of a step."""
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=self.separator).writerows((step, name, one) for name, one in values.items())

    def note(self, sentence: str) -> None:
        """Sentences have no place in this table."""

    def end(self, metrics: Mapping[str, float]) -> None:
        """The final numbers, which are of no step."""
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=self.separator).writerows(("", name, one) for name, one in metrics.items())
