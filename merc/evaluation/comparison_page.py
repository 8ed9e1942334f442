"""A comparison as a page of its own, that needs no network."""

from __future__ import annotations

from pathlib import Path

from merc.evaluation.cases import Cases
from merc.evaluation.comparison import Comparison
from merc.evaluation.comparison_text import (
    caption,
    label_heads,
    label_rows,
    number_heads,
    number_rows,
    test_heads,
    test_rows,
)
from merc.evaluation.report import page_environment, page_source
from merc.evaluation.significance import mean_and_deviation
from merc.files import write_text


def write_comparison_page(path: Path, comparison: Comparison, cases: Cases | None) -> None:
    """Write the tables, the F1 of each label by run and, where given, the cases in which the first two runs differ,
    whole or not at all."""
    names = [entry.name for entry in comparison.entries]
    html = (
        page_environment()
        .get_template("compare.html.j2")
        .render(
            title=" and ".join(names) if len(names) == 2 else f"{len(names)} runs",
            caption=caption(comparison),
            notes=comparison.notes,
            heads=number_heads(comparison),
            rows=number_rows(comparison),
            first=names[0],
            test_heads=test_heads(comparison),
            tests=test_rows(comparison),
            label_heads=label_heads(comparison),
            label_rows=label_rows(comparison),
            names=names,
            labels={
                label: [mean_and_deviation(e.f1[label])[0] for e in comparison.entries]
                for label in comparison.labels
                if comparison.n
            },
            cases=cases,
            style=page_source("report.css"),
        )
    )
    write_text(path, html)
