"""``merc recipes``: the recipes that come with merc."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer


def command(as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a list.")] = False) -> None:
    """List the recipes that come with merc, and what each needs."""
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.recipe import shipped_recipes, summarize

    summaries = [summarize(str(file)) for file in shipped_recipes().values()]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in summaries], indent=2, ensure_ascii=False), results)
        return
    if not summaries:
        typer.echo("no recipes came with this installation of merc", err=True)
    for one in summaries:
        typer.echo(f"{one.name}: {one.title}" if one.title else one.name, results)
        if one.error:
            typer.echo(f"  cannot be read: {one.error}", results)
        for need in one.needs:
            typer.echo(f"  needs {need}", results)
