"""``merc copy``: a copy of a recipe, to change it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merc.cli.arguments import RecipeName


def command(
    recipe: RecipeName,
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The new file, or a folder that is there.")],
) -> None:
    """Copy a recipe, to change it. Nothing is overwritten."""
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.recipe import copy_recipe

    folder, notes = copy_recipe(recipe, dest)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"{folder} is yours to change; check it with: merc validate {folder}", results)
