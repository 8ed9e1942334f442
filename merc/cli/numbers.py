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


def show_seeds(found: Mapping[str, Mapping[str, Mapping[str, Any]]], seeds: int, results: TextIO) -> None:
    """Print the mean and the standard deviation over seeds of each split's main numbers."""
    from rich.console import Console
    from rich.table import Table

    table = Table(caption=f"Mean ± sample standard deviation over {seeds} seed{'' if seeds == 1 else 's'}.")
    table.add_column("split")
    for name in _COLUMNS[1:]:
        table.add_column(name.replace("_", " "), justify="right")
    for split, numbers in found.items():
        table.add_row(split, *[_over(numbers[name]) if name in numbers else "" for name in _COLUMNS[1:]])
    Console(file=results, highlight=False).print(table)


def _over(number: Mapping[str, Any]) -> str:
    deviation = number["std"]
    return f"{number['mean']:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")
