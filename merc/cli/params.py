"""``merc params``: count the parameters of a recipe's model, by part."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of one that comes with merc.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="key=value…", help="Values to change.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
) -> None:
    """Count the parameters of a recipe's model, by part. Nothing is loaded but the backbone's configuration."""
    import json

    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.recipe import load_recipe

    found = load_recipe(recipe, overrides or [])

    from merc.model.build import build_meta
    from merc.model.parameters import count_parameters

    parts = count_parameters(build_meta(found))
    total, trainable = sum(p.total for p in parts), sum(p.trainable for p in parts)
    if as_json:
        record = {
            "total": total,
            "trainable": trainable,
            "parts": {p.part: {"total": p.total, "trainable": p.trainable} for p in parts},
        }
        typer.echo(json.dumps(record, indent=1), results)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("part")
    for name in ("total", "trainable", "trainable %"):
        table.add_column(name, justify="right")
    for p in parts:
        table.add_row(p.part, f"{p.total:,}", f"{p.trainable:,}", f"{100 * p.trainable / max(1, p.total):.2f}")
    table.add_section()
    table.add_row("all", f"{total:,}", f"{trainable:,}", f"{100 * trainable / max(1, total):.2f}")
    Console(file=results, highlight=False).print(table)
