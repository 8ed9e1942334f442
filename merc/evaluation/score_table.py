"""The table of several models' answers to one benchmark: a row for each number, a column for each model."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from merc.evaluation.benchmark_table import Average, Cell, as_record, average, percent, shown_number, words_of

NUMBERS = ("model", "column", "number", "value", "shown", "low", "high", "answered", "of")


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """What models' answers come to, by model."""

    titles: Sequence[str]
    """The columns of the benchmark, which are rows here."""
    averages: Mapping[str, Sequence[str]]
    """The means, and the columns that each is over."""
    cells: Mapping[str, Mapping[str, Cell]]
    """By model and title."""
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Sentences, by model."""

    def means(self, model: str) -> list[Average]:
        """The averages of a model."""
        return [average(title, list(self.cells[model].values()), over) for title, over in self.averages.items()]

    def rows(self) -> list[list[str]]:
        """Head and rows as a reader has them: per cent, and how many of how many were answered where some were not."""
        models = list(self.cells)
        rows = [["%", *models]]
        for title in self.titles:
            cells = [self.cells[model][title] for model in models]
            if all(cell.value is None for cell in cells):  # named below, with the reason
                continue
            rows.append([title, *(_shown(cell) for cell in cells)])
            for name in dict.fromkeys(name for cell in cells for name in cell.beside):
                values = [cell.beside.get(name) for cell in cells]
                rows.append([f"  {words_of(name)}", *(shown_number(name, value) for value in values)])
        for index, title in enumerate(self.averages):
            rows.append([title, *(str(self.means(model)[index]) for model in models)])
        return rows

    def text(self) -> str:
        """The rows for a terminal, with the reasons for what is blank below."""
        rows = self.rows()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]
        return "".join(f"{line.rstrip()}\n" for line in [*lines, *self.blank()])

    def markdown(self) -> str:
        """The rows as Markdown."""
        head, *rows = [[cell.replace("|", "\\|") for cell in row] for row in self.rows()]
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
        return "".join("| " + " | ".join(line) + " |\n" for line in lines) + "".join(
            f"\n{line}\n" for line in self.blank()
        )

    def blank(self) -> list[str]:
        """The columns that have no number, and why, in a line."""
        reasons: dict[str, list[str]] = {}
        for title in self.titles:
            of_models = {model: cells[title].absent for model, cells in self.cells.items() if cells[title].absent}
            for reason in dict.fromkeys(of_models.values()):
                models = [model for model, one in of_models.items() if one == reason]
                whose = "" if len(models) == len(self.cells) else f" of {', '.join(models)}"
                reasons.setdefault(f"{reason}{whose}", []).append(title)
        parts = [f"{', '.join(titles)} ({reason})" for reason, titles in reasons.items()]
        return [f"not measured: {'; '.join(parts)}"] if parts else []

    def record(self) -> dict[str, Any]:
        """What the JSON file holds of each model."""
        return {
            model: {
                **as_record([cells[title] for title in self.titles], self.means(model)),
                "notes": list(self.notes.get(model, ())),
            }
            for model, cells in self.cells.items()
        }

    def csv(self) -> str:
        """Every number of every column and model, a line each; ``shown`` marks the one that the table shows."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(NUMBERS)
        for model, cells in self.cells.items():
            for title in self.titles:
                record = cells[title].record
                for name, value in record.get("numbers", {}).items():
                    if isinstance(value, int | float) and not isinstance(value, bool):
                        shows = name == record["number"]
                        ends = (record.get("interval") if shows else None) or ["", ""]
                        counts = [record["answered"], record["of"]]
                        writer.writerow([model, title, name, value, "yes" if shows else "", *ends, *counts])
            for one in self.means(model):
                writer.writerow([model, one.title, "mean", "" if one.value is None else one.value, "yes", *[""] * 4])
        return out.getvalue()


def _shown(cell: Cell) -> str:
    ends = cell.record.get("interval")
    within = f" [{percent(ends[0])}, {percent(ends[1])}]" if ends and cell.value is not None else ""
    counted = cell.record.get("answered"), cell.record.get("of")
    share = f" ({counted[0]:,} of {counted[1]:,})" if None not in counted and counted[0] != counted[1] else ""
    return f"{percent(cell.value)}{within}{share}"
