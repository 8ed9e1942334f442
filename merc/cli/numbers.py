"""The table of metrics that a command ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

_COLUMNS = ("accuracy", "weighted_f1", "macro_f1", "unparsed_rate")
_HEADLINES = ("accuracy", "weighted_f1")

Numbers = Mapping[str, Mapping[str, Any]]


def show_numbers(metrics: Numbers, results: TextIO) -> None:
    """Print the main numbers of each split, and those of its further metrics."""
    _show(metrics, ("n", *_COLUMNS), "", results)


def show_seeds(numbers: Numbers, seeds: int, results: TextIO) -> None:
    """Print the mean and the standard deviation over seeds of each split's main numbers, and of its further metrics."""
    caption = f"Mean ± sample standard deviation over {seeds} seed{'' if seeds == 1 else 's'}."
    _show(numbers, _COLUMNS, caption, results)


def show_folds(held: Numbers, results: TextIO) -> None:
    """Print the mean and the standard deviation over folds, of what ``folds.json`` holds."""
    count = len(held["folds"])
    numbers = {split: block for split, block in held.items() if split != "folds"}
    _show(numbers, _COLUMNS, f"Mean ± sample standard deviation over {count} folds.", results)


def _show(by_split: Numbers, columns: Sequence[str], caption: str, results: TextIO) -> None:
    """A metric with a headline of the table has a row below its split, any other a line below the table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from merc.evaluation.label_history import sentences
    from merc.evaluation.metrics import further_metrics

    further = [(name, its) for numbers in by_split.values() for name, its in further_metrics(numbers).items()]
    names = [*by_split, *(f"  {name}" for name, its in further if _in_table(its))]
    table = Table(caption=caption or None)
    # In a narrow terminal a number breaks between its mean and its deviation before a name does.
    table.add_column("split", overflow="fold", no_wrap=max(map(len, names), default=0) <= 30)
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    below: dict[str, None] = {}
    for split, numbers in by_split.items():
        table.add_row(Text(split), *(_cell(numbers, column) for column in columns))
        for name, its in further_metrics(numbers).items():
            texts = [f"{key.replace('_', ' ')} {_text(value)}" for key, value in its.items() if _text(value)]
            if _in_table(its):
                table.add_row(Text(f"  {name}"), *(_cell(its, column) for column in columns))
            elif texts:
                below[f"{split}, {name}: {', '.join(texts)}"] = None
            if "of" in its:
                below[f"{name}: {its['of']}"] = None
    console = Console(file=results, highlight=False, markup=False)
    for line in sentences(by_split):
        console.print(line)
    console.print(table)
    for line in below:
        console.print(line)
    for split, numbers in by_split.items():
        if rows := numbers.get("corrupt"):
            console.print(_corrupted(split, rows))


def _corrupted(split: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    """The table of a split with worse media and words: two numbers, and by how much each is below the clean one."""
    from rich.table import Table
    from rich.text import Text

    from merc.evaluation.corruption import headlines, severity_of, touched_of

    names = headlines(rows)[:2]
    table = Table(title=f"{split}, corrupted")
    table.add_column("corruption", overflow="fold")
    table.add_column("touched", overflow="fold")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
        table.add_column("drop", justify="right")
    for row in rows:
        cells = [_text(row[of].get(name)) for name in names for of in ("numbers", "drop")]
        streams = f" ({', '.join(row['streams'])})" if row["streams"] else ""
        table.add_row(*map(Text, (f"{row['corruption']} {severity_of(row)}{streams}", touched_of(row), *cells)))
    return table


def _in_table(numbers: Mapping[str, Any]) -> bool:
    """Whether a metric's numbers are those of the table, or would be if there were any to count."""
    return any(headline in numbers for headline in _HEADLINES) or ("of" in numbers and numbers.get("n") == 0)


def _cell(numbers: Mapping[str, Any], column: str) -> str:
    """A number of the table; of utterances how many were measured, and of how many where some were not."""
    unmeasured = numbers.get("unlabelled") if column == "n" else 0
    text = _text(numbers.get(column))
    return f"{text} of {numbers['n'] + unmeasured}" if text and unmeasured else text


def _text(number: object) -> str:
    """A number, or its mean and deviation over seeds; nothing for anything else."""
    if isinstance(number, Mapping) and "mean" in number:
        deviation = number["std"]
        return f"{number['mean']:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")
    if isinstance(number, float):
        return f"{number:.4f}"
    return str(number) if isinstance(number, int) and not isinstance(number, bool) else ""
