"""``merc sweep``: a recipe with many values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import merc

if TYPE_CHECKING:
    from merc_sweep.results import Row


def command(
    recipe: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE KEY=VALUES…",
            # A backslash where brackets would be markup of rich, which shows the help.
            help="A recipe, by file or name, and values: key=\\[a, b] tries each; one,other=[\\[a, b], \\[c, d]] "
            "changes both together; key={low: a, high: b, log: true} is drawn from; key=value is the same for all.",
        ),
    ],
    draws: Annotated[
        int | None, typer.Option("--random", help="Draw so many settings, instead of all combinations.")
    ] = None,
    seed: Annotated[int, typer.Option(help="What --random draws by.")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Runs at once, each with strategy.threads=1.")] = 1,
    by: Annotated[
        str, typer.Option(help="The number of dev to sort the table by; -NUMBER where the lowest is the best.")
    ] = "weighted_f1",
    sweep_dir: Annotated[Path | None, typer.Option(help="Where it goes; by default sweeps/<recipe>.")] = None,
    show_test: Annotated[
        bool, typer.Option("--show-test", help="Show the numbers of test too, and record when that was first done.")
    ] = False,
) -> None:
    """Run a recipe with every combination of values, or with some that are drawn, and show them sorted by dev.

    Several seeds (seed=[0,1,2]) are one row, with mean and standard deviation. A recipe whose split has folds runs all
    of them for each setting. The same command goes on with a sweep that was stopped; runs that failed are tried again.

    The numbers of test stay out of the table, so that no value is chosen by them: --show-test shows them, and writes
    down when they were first read.
    """
    from merc_sweep.checks import checked, has_folds, hash_of
    from merc_sweep.folder import SweepFolder
    from merc_sweep.results import is_finished, rows
    from merc_sweep.running import Job, run_all
    from merc_sweep.settings import read_changes, settings

    name, *values = recipe
    lowest, by = by.startswith("-"), by.removeprefix("-")
    shared, axes = read_changes(values)
    if not axes:
        raise merc.MercError("nothing is swept over; give several values of a key, as in seed=[0, 1, 2]")
    every = settings(axes, draws, seed)
    recipes = checked(name, shared, every, by, lowest)
    first = recipes[0]
    if not any(one.strategy.threads for one in recipes) and not any(
        change.startswith("strategy.threads=") for change in shared
    ):
        shared.append("strategy.threads=1")
    options = ["--folds"] if has_folds(first) else []
    folder = SweepFolder(sweep_dir or Path("sweeps", first.name))
    about = {
        "recipe": name,
        "changes": shared,
        "random seed": None if draws is None else seed,
        "content of the recipe": hash_of(first.content),
    }
    runs = folder.open(about, every)
    jobs = [
        Job(run, where, [name, *shared, *(f"{key}={value}" for key, value in setting.items()), *options])
        for run, (setting, where) in runs.items()
    ]
    unfinished = [job for job, one in zip(jobs, recipes, strict=True) if not is_finished(job.folder, one)]
    typer.echo(f"{len(unfinished)} of {len(jobs)} runs to do, {processes} at once: {folder.path}", err=True)
    try:
        failed = run_all(unfinished, processes, lambda sentence: typer.echo(sentence, err=True))
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on", err=True)
        raise typer.Exit(130) from None
    try:
        table = rows(runs, by, lowest)
        if show_test:
            folder.record_reading(sum(row.finished for row in table), len(runs))
        folder.write_results({"by": by, "lowest": lowest, "rows": [_record(row, show_test) for row in table]})
        _show(table, by, show_test, f" {first_read}." if (first_read := folder.test_read()) else "")
    finally:
        for run, words in failed.items():
            typer.echo(f"{folder.path / run} failed: {words}", err=True)
        if failed:
            typer.echo(f"{len(failed)} of {len(runs)} runs failed; the same command tries them again", err=True)
    if failed:
        raise typer.Exit(1)


def _record(row: Row, with_test: bool) -> dict[str, Any]:
    """A row as results.json has it."""

    def numbers(of: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
        return {name: list(values) for name, values in of.items() if values}

    record = {"setting": dict(row.setting), "runs": list(row.runs), **row.beside, "dev": numbers(row.dev)}
    return {**record, "test": numbers(row.test)} if with_test else record


def _show(table: Sequence[Row], by: str, with_test: bool, read: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from merc_sweep.results import beside_in_words, shown

    keys = list(dict.fromkeys(key for row in table for key in row.setting))
    splits = ("dev", "test") if with_test else ("dev",)
    numbers = {
        split: [name for name in table[0].dev if any(getattr(row, split)[name] for row in table)] for split in splits
    }
    hidden = "" if with_test else " Test is hidden: --show-test."
    beside = "".join(f" {sentence}" for sentence in beside_in_words(table))
    shown_table = Table(caption=Text(f"Sorted by {by} of dev.{hidden}{read}{beside}"))
    shown_table.add_column("runs", overflow="fold")
    for key in _short(keys):
        shown_table.add_column(Text(key), overflow="fold")
    for split in splits:
        for name in numbers[split]:
            shown_table.add_column(Text(f"{split} {name.replace('_', ' ')}"), justify="right")
    for row in table:
        runs = f"{row.runs[0]}" + (f" to {row.runs[-1]}" if len(row.runs) > 1 else "")
        unfinished = f" ({row.finished} of {len(row.runs)})" if row.finished < len(row.runs) else ""
        cells = [shown(getattr(row, split)[name]) for split in splits for name in numbers[split]]
        shown_table.add_row(Text(runs + unfinished), *(Text(row.setting.get(key, "")) for key in keys), *cells)
    Console(highlight=False).print(shown_table)


def _short(keys: Sequence[str]) -> list[str]:
    """The last words of keys, as many as tell them apart."""
    names = [key.rpartition(".")[2] for key in keys]
    return [name if names.count(name) == 1 else key for name, key in zip(names, keys, strict=True)]
