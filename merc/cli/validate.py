"""``merc validate``: everything that is wrong with a recipe, at once."""

from __future__ import annotations

import typer

from merc.cli.arguments import Overrides, RecipeName


def command(
    recipe: RecipeName,
    overrides: Overrides = None,
) -> None:
    """Check a recipe, and list everything that is wrong with it. Neither data nor weights are read."""
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.recipe import load_recipe
    from merc.registry import get_registry

    loaded = load_recipe(recipe, overrides or [])
    facts = [f"corpus {loaded.corpus.name}"]
    if loaded.relabel:
        facts.append(f"relabel {', '.join(loaded.relabel)}")
    if loaded.split is not None:
        folds = f" ({loaded.split.folds} folds)" if loaded.split.folds else ""
        facts.append(f"split by {loaded.split.by}{folds}")
    if loaded.backbone is not None:
        facts.append(f"backbone {loaded.backbone.name} ({get_registry().name_of(loaded.tuning)})")
    if loaded.encoders:
        facts.append(f"encoders {', '.join(loaded.encoders)}")
    if loaded.annotators:
        facts.append(f"annotators {', '.join(loaded.annotators)}")
    if loaded.stages:
        facts.append(f"stages {', '.join(stage.id for stage in loaded.stages)}")
    typer.echo(f"{recipe} is valid: {'; '.join(facts)}", results)
    for note in loaded.notes:
        typer.echo(f"note: {note}", err=True)
