"""``merc evaluate``: evaluate a trained run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MAY_CHANGE = ("evaluate", "strategy", "features", "corpus")


def command(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A trained run: its directory, or a name that merc plugins lists.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="key=value…", help="Values to change, in evaluate.*, strategy.*, features.* and corpus.*"
        ),
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="A split, once or more; by default those of the recipe.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What the evaluation is called; by default its splits, numbered if need be.")
    ] = None,
) -> None:
    """Evaluate a trained run again, perhaps on another split or corpus, or with another way of decoding.

    The numbers, predictions and report go to RUN/evaluations/NAME; those of the run itself stay as they are.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.cli.numbers import show_numbers
    from merc.cli.progress import TerminalReporter
    from merc.session.evaluation import evaluate_again
    from merc.session.trained import check_changes

    check_changes(overrides or [], MAY_CHANGE)
    changes = [*(overrides or []), *([f"evaluate.splits=[{', '.join(split)}]"] if split else [])]
    folder, metrics = evaluate_again(run, changes, name, TerminalReporter())
    show_numbers(metrics, results)
    typer.echo(f"report: {folder / 'report.html'}", results)
