"""``merc convert``: a recipe of an older merc in today's words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recipes to rewrite in place.")],
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit with 2 where a recipe is old.")] = False,
) -> None:
    """Rewrite recipes of an older merc in today's words. Comments and layout stay."""
    from merc.errors import MercError
    from merc.files import write_text
    from merc.recipe.conversion import convert_text
    from merc.recipe.document import read_recipe_text

    old = []
    for file in files:
        text, count = convert_text(read_recipe_text(file, str(file)), str(file))
        sections = f"{count} section{'s' if count > 1 else ''}"
        if not count:
            typer.echo(f"{file} is in today's words")
        elif check:
            old.append(f"{file}: {sections} in an older merc's words")
        else:
            write_text(file, text)
            typer.echo(f"{file}: {sections} rewritten; check it with: merc validate {file}")
    if old:
        raise MercError("\n".join([*old, "rewrite them with: merc convert FILE..."]))
