"""``merc compare``: the numbers of several runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.errors import MercError

if TYPE_CHECKING:
    from merc.components import Prediction

COLUMNS = ("accuracy", "weighted_f1", "macro_f1", "uar", "unparsed_rate")
_HEADS = ("Accuracy", "Weighted F1", "Macro F1", "UAR", "Unparsed")


def command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories, two or more.")],
    split: Annotated[str, typer.Option(help="The split to compare on.")] = "test",
) -> None:
    """Compare runs on the same utterances: accuracy, weighted F1, macro F1, UAR.

    The numbers are worked out anew from each run's predictions.jsonl. Runs that were evaluated on different
    utterances, or against different labels, are refused: their numbers do not compare.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    rows = compare(runs, split)
    table = Table(title=f"{split} split", title_justify="left", caption="The best of each column is bold.")
    table.add_column("Run", overflow="fold")
    for head in ("n", *_HEADS):
        table.add_column(head, justify="right", no_wrap=True)
    best = {c: (min if c == "unparsed_rate" else max)(numbers[c] for _, numbers in rows) for c in COLUMNS}
    for name, numbers in rows:
        cells = [_cell(numbers[c], numbers[c] == best[c]) for c in COLUMNS]
        table.add_row(escape(name), f"{int(numbers['n']):,}", *cells)
    Console().print(table)


def compare(runs: Sequence[Path], split: str) -> list[tuple[str, dict[str, float]]]:
    """The name of every run, and its numbers on a split.

    Raises MercError for fewer than two runs, a run without predictions of the split, and runs that were evaluated on
    different utterances or against different labels, saying how many differ.
    """
    from merc.conversation import LabelSpace
    from merc.evaluation.classification import classification

    if len(runs) < 2:
        raise MercError("merc compare wants two run directories or more: merc compare RUN_A RUN_B")
    found = [_predictions(run, split) for run in runs]
    for run, predictions in zip(runs[1:], found[1:], strict=True):
        _check_same(runs[0], found[0], run, predictions, split)
    # Numbers do not depend on labels that are never true, so one space for all runs keeps each run's own numbers.
    named = {label for run in found for p in run.values() for label in (p.truth, p.label) if label is not None}
    space = LabelSpace(tuple(sorted(named)))
    counted = [[p for p in run.values() if p.truth is not None] for run in found]
    if not counted[0]:
        raise MercError(f"{runs[0]}: no utterance of the {split} split has a truth, so there is nothing to compare")
    return [
        (name, {c: numbers[c] for c in ("n", *COLUMNS)})
        for name, numbers in zip(_names(runs), (classification(c, space) for c in counted), strict=True)
    ]


def _predictions(run: Path, split: str) -> dict[tuple[str, str], Prediction]:
    from merc.evaluation.predictions import read_predictions

    if not run.is_dir():
        raise MercError(f"{run} is no folder; the directory of a run was expected")
    everything = read_predictions(run / "predictions.jsonl")
    mine = {(p.conversation, p.id): p for p in everything if p.split == split}
    if not mine:
        there = ", ".join(sorted({str(p.split) for p in everything})) or "none"
        raise MercError(f"{run / 'predictions.jsonl'} has no predictions for the {split} split; it has: {there}")
    return mine


def _check_same(
    a: Path,
    first: dict[tuple[str, str], Prediction],
    b: Path,
    second: dict[tuple[str, str], Prediction],
    split: str,
) -> None:
    only_a, only_b = first.keys() - second.keys(), second.keys() - first.keys()
    if only_a or only_b:
        examples = ", ".join(sorted(f"{name[1]} of {name[0]}" for name in only_a | only_b)[:3])
        raise MercError(
            f"{a} and {b} were evaluated on different utterances of the {split} split, so their numbers do not "
            f"compare: {len(first.keys() & second.keys()):,} are in both, {len(only_a):,} only in {a}, "
            f"{len(only_b):,} only in {b} (for example {examples}). Evaluate both on the same data."
        )
    differ = sorted(key for key in first if first[key].truth != second[key].truth)
    if differ:
        key = differ[0]
        raise MercError(
            f"{a} and {b} have different truths for {len(differ):,} of {len(first):,} utterances of the {split} split, "
            f"so their numbers do not compare (for example {key[1]} of {key[0]}: {first[key].truth!r} and "
            f"{second[key].truth!r}). Evaluate both on the same labels."
        )


def _names(runs: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell the runs apart.

    >>> _names([Path("runs/a"), Path("runs/b")]), _names([Path("x/run"), Path("y/run")])
    (['a', 'b'], ['x/run', 'y/run'])
    """
    parts = [run.resolve().parts for run in runs]
    for length in range(1, max(map(len, parts)) + 1):
        names = [str(Path(*p[-length:])) for p in parts]
        if len(set(names)) == len(set(parts)):
            break
    return names


def _cell(value: float, best: bool) -> str:
    text = f"{100 * value:.2f}%"
    return f"[bold]{text}[/bold]" if best else text
