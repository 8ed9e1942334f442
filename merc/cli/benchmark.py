"""``merc benchmark``: a trained run on every set of a benchmark that is there, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MAY_CHANGE = ("evaluate", "strategy", "features")


def command(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A trained run: its directory, or a name that merc plugins lists.")
    ],
    benchmark: Annotated[
        str, typer.Option("--benchmark", "--suite", help="The benchmark; merc plugins lists those that are installed.")
    ],
    data: Annotated[
        Path, typer.Option(help="The folder of the sets: a file each, as merc corpus import writes it.", metavar="DIR")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="key=value…",
            help="Values of the run to change (evaluate.*, strategy.*, features.*); others are the benchmark's own.",
        ),
    ] = None,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Take predictions that an earlier benchmark of this run made.")
    ] = False,
) -> None:
    """Measure a trained run on every set of a benchmark that is in DIR (NAME.jsonl or NAME.parquet, or in a folder of
    that name), each with its own labels and metric.

    What is absent is left blank, and averages over fewer columns are marked as partial. The table goes to
    RUN/benchmark/NAME, as table.md, table.txt and table.json, with the predictions of each set.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.cli.progress import TerminalReporter
    from merc.errors import MercError
    from merc.recipe.single import load_part
    from merc.session.benchmark import bench
    from merc.session.directory import NO_CORPUS
    from merc.session.journal import Journal
    from merc.session.session import Session
    from merc.session.trained import open_run

    if not data.is_dir():
        raise MercError(f"--data {data} is not a folder; give the one that holds the imported sets")
    assignments = overrides or []
    changes = [one for one in assignments if one.split("=")[0].split(".")[0] in MAY_CHANGE]
    part = load_part("benchmark", benchmark, {}, [one for one in assignments if one not in changes])
    # The run's own corpus is not read, so it need not be there; nor need the plugin that reads it.
    session = Session(open_run(run, [*changes, NO_CORPUS]), Journal(TerminalReporter()))
    folder, table = bench(session, part, data, reuse)
    typer.echo(table, results, nl=False)
    typer.echo(f"table: {folder / 'table.md'}", results)
