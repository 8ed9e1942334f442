"""``merc compare``: the numbers of several runs beside each other, and whether they differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.errors import MercError

if TYPE_CHECKING:
    from merc.evaluation.comparison import Comparison

_SUFFIXES = (".txt", ".md", ".html", ".tex", ".csv")


def command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories, two or more.")],
    split: Annotated[str, typer.Option(help="The split to compare on.")] = "test",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NUMBER",
            help="The number to compare by, such as macro_f1 or last-utterance.weighted_f1; may be given again. "
            "By default weighted_f1.",
        ),
    ] = None,
    write: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Write the tables to a .txt, .md, .html, .tex or .csv file; may be given again."
        ),
    ] = None,
    cases: Annotated[
        int, typer.Option(min=0, help="How many utterances on which the first two differ the .html shows.")
    ] = 12,
) -> None:
    """Compare runs on the same utterances: accuracy, weighted F1, macro F1, UAR.

    A run that was made with `merc run --seeds` counts as one line: the mean and the standard deviation over its seeds.
    Every line is held against the first: the difference in weighted F1, or in what --metric names, with a paired
    bootstrap over conversations, and beside it the paired t-test over seeds, or McNemar's test where each line is one
    run and the number is of right and wrong labels.

    The numbers are worked out anew from each run's predictions.jsonl. Runs that were evaluated on different
    utterances, or against different labels, are refused: their numbers do not compare.
    """
    import io

    from rich.console import Console

    from merc.evaluation.comparison import compare_runs
    from merc.evaluation.comparison_text import as_csv, latex, markdown
    from merc.files import write_text
    from merc.recipe.runs import find_run

    for path in write or ():
        if path.suffix not in _SUFFIXES:
            raise MercError(f"--write {path}: a name that ends in {', '.join(_SUFFIXES)} was expected")
    comparison = compare_runs(
        [find_run(run).folder for run in runs], split, list(dict.fromkeys(metric or ["weighted_f1"]))
    )
    _print(comparison, Console())
    for path in write or ():
        if path.suffix == ".html":
            _write_page(path, comparison, cases)
        elif path.suffix in (".md", ".tex", ".csv"):
            form = {".md": markdown, ".tex": latex, ".csv": as_csv}[path.suffix]
            write_text(path, form(comparison))
        else:
            console = Console(record=True, width=120, file=io.StringIO())
            _print(comparison, console)
            write_text(path, console.export_text())
        typer.echo(f"written: {path}", err=True)


def _print(comparison: Comparison, console: object) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from merc.evaluation.comparison_text import (
        caption,
        label_heads,
        label_rows,
        number_heads,
        number_rows,
        test_heads,
        test_rows,
    )

    assert isinstance(console, Console)
    table = Table(
        title=caption(comparison), title_justify="left", caption="In percent. The best of each column is bold."
    )
    heads = number_heads(comparison)
    table.add_column(heads[0], overflow="fold")
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    for cells, best in number_rows(comparison):
        texts = [f"[bold]{c}[/bold]" if b else escape(c) for c, b in zip(cells, best, strict=True)]
        table.add_row(*texts)
    console.print(table)
    tests = Table()
    first, *others = test_heads(comparison)
    tests.add_column(first, overflow="fold")
    for head in others:
        tests.add_column(head, justify="right")
    for row in test_rows(comparison):
        tests.add_row(*map(escape, row))
    console.print(tests)
    if rows := label_rows(comparison):
        counts = Table(caption="How often each label is true, and how often each run answers it.")
        for place, head in enumerate(label_heads(comparison)):
            counts.add_column(escape(head), justify="right" if place else "left", overflow="fold")
        for row in rows:
            counts.add_row(*map(escape, row))
        console.print(counts)
    for note in comparison.notes:
        console.print(escape(note))


def _write_page(path: Path, comparison: Comparison, cases: int) -> None:
    from merc.cli.report import conversations_of
    from merc.evaluation.cases import find_cases
    from merc.evaluation.comparison_page import write_comparison_page
    from merc.recipe import load_recipe
    from merc.session.cues import known_cues
    from merc.session.directory import recipe_name

    examples = None
    if cases:
        runs = [_single_run(entry.folder) for entry in comparison.entries]
        try:
            conversations = conversations_of(runs[0], [])
            # A cue that one of the runs knew is shown whichever stands first.
            for run in runs[1:]:
                if (run / "recipe.yaml").is_file():
                    conversations = known_cues(load_recipe(recipe_name(run), use="predict"), conversations)
        except MercError as error:
            raise MercError(f"{error}\n--cases 0 makes the page without the utterances' texts.") from None
        examples = find_cases(comparison, conversations, cases)
    write_comparison_page(path, comparison, examples)


def _single_run(folder: Path) -> Path:
    """A folder that holds a run: the one given, or the first of its seeds."""
    runs = [folder, *sorted(folder.glob("seed-*"))]
    return next((run for run in runs if (run / "recipe.yaml").is_file()), folder)
