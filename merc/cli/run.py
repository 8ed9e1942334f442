"""``merc run``: train and evaluate what a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of one that comes with merc.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="key=value…", help="Values to change.")] = None,
    run_dir: Annotated[Path | None, typer.Option(help="Where the run goes; by default runs/<recipe>.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is there.")] = False,
) -> None:
    """Train and evaluate what a recipe says, into a run directory."""
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.recipe import load_recipe

    found = load_recipe(recipe, overrides or [])

    from merc.cli.launched import speaks
    from merc.cli.numbers import show_numbers
    from merc.cli.progress import TerminalReporter
    from merc.run.pipeline import run_recipe
    from merc.training.interrupt import Stopped

    target = run_dir or Path("runs") / found.name
    reporter = TerminalReporter()
    try:
        metrics = run_recipe(found, target, reporter, resume)
    except Stopped as stopped:
        if speaks():
            typer.echo(str(stopped), err=True)
        raise typer.Exit(128 + stopped.signal) from None
    if metrics and speaks():
        show_numbers(metrics, results)
        typer.echo(f"report: {target / 'report.html'}", results)
