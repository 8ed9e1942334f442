"""The table of metrics that a command ends with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

_COLUMNS = ("n", "accuracy", "weighted_f1", "macro_f1", "unparsed_rate")


def show_numbers(metrics: Mapping[str, Mapping[str, Any]], results: TextIO) -> None:
    """Print the main numbers of each split."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("split")
    for name in _COLUMNS:
        table.add_column(name.replace("_", " "), justify="right")
    for split, numbers in metrics.items():
        shown = [numbers.get(name) for name in _COLUMNS]
        table.add_row(split, *[f"{v:.4f}" if isinstance(v, float) else str(v if v is not None else "") for v in shown])
    Console(file=results, highlight=False).print(table)
