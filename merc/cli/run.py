"""``merc run``: train and evaluate what a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.cli.arguments import Overrides, RecipeName

if TYPE_CHECKING:
    from merc.recipe import Recipe
    from merc.session.seeds import Metrics


def command(
    recipe: RecipeName,
    overrides: Overrides = None,
    run_dir: Annotated[
        Path | None,
        typer.Option(help="Where the run goes; by default runs/<recipe>, followed by the changed values."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is there.")] = False,
    seeds: Annotated[
        int | None,
        typer.Option(help="Run so many seeds, from the recipe's own on, into seed-<n> of the run directory."),
    ] = None,
    folds: Annotated[
        bool, typer.Option("--folds", help="Run each fold of the recipe's split, into fold-<n> of the run directory.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only try a little of each part, and say what the run would take."),
    ] = False,
) -> None:
    """Train and evaluate what a recipe says, into a run directory.

    With --dry-run there is no run directory: the first seed or fold is tried for a minute or so, and its parameters,
    seconds and peak memory are shown by part.

    With --seeds, seeds that are finished are left as they are, unfinished ones are resumed, and the mean and the
    standard deviation over all of them are written to seeds.json. With --folds the same holds of folds and folds.json,
    and the numbers of all their test predictions together go to metrics.json. With both, each seed has all folds.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.session.naming import default_folder
    from merc.session.seeds import run_seeds, seed_recipes, write_over_seeds

    # All that is wrong with the recipe is said before anything heavy is imported.
    recipes = seed_recipes(recipe, overrides or [], 1 if seeds is None else seeds)
    first = next(iter(recipes.values()))

    if dry_run:
        from merc.cli.dry_run import show_estimate

        show_estimate(first, results, folds, len(recipes))
        return

    from merc.cli.launched import speaks
    from merc.cli.numbers import show_folds, show_numbers, show_seeds
    from merc.cli.progress import TerminalReporter
    from merc.evaluation.folds import read_folds
    from merc.session.fold_recipes import fold_recipes
    from merc.session.folds import run_folds, write_folds
    from merc.session.pipeline import run_recipe
    from merc.training.interrupt import Stopped

    target = run_dir or default_folder(first.name, overrides or [], seeds is not None)
    reporter = TerminalReporter()
    if run_dir is None and target.name != Path(first.name).name:
        reporter.say(f"the run goes to {target}")

    def single(which: Recipe, folder: Path, going_on: bool) -> Metrics:
        return run_recipe(which, folder, reporter, going_on)

    def named(which: Recipe, folder: Path, going_on: bool) -> Metrics:
        reporter.say(f"{folder.name.replace('-', ' ')}: {folder}")
        return run_recipe(which, folder, reporter, going_on)

    def folded(which: Recipe, folder: Path, going_on: bool) -> Metrics:
        recipes = fold_recipes(which)
        by_fold = run_folds(recipes, folder, named)
        if not speaks():
            return {}
        together = write_folds(which, folder, recipes, by_fold)
        return together.metrics if seeds is None else together.numbers()

    one = folded if folds else named if seeds is not None else single
    try:
        if seeds is None:
            metrics = one(first, target, resume)
        else:
            every = run_seeds(recipes, target, one)
    except Stopped as stopped:
        if speaks():
            typer.echo(str(stopped), err=True)
        raise typer.Exit(128 + stopped.signal) from None
    if not speaks():
        return
    if seeds is not None:
        show_seeds(write_over_seeds(target, every), len(every), results)
        typer.echo(f"seeds: {target / 'seeds.json'}", results)
        return
    if folds:
        show_folds(read_folds(target), results)
        typer.echo(f"folds: {target / 'folds.json'}", results)
    if metrics:
        show_numbers(metrics, results)
        typer.echo(f"report: {target / 'report.html'}", results)
