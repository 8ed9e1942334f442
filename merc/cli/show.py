"""``merc show``: a recipe's values, and where each came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from merc.cli.arguments import Overrides, RecipeName


def command(
    recipe: RecipeName,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """Show every value of a recipe, defaults included, and where it came from."""
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.recipe import leaves, load_recipe

    loaded = load_recipe(recipe, overrides or [])
    if as_json:
        sources = {path: _source(loaded.sources, path) for path, _ in leaves(loaded.resolved)}
        summary = {"name": loaded.name, "resolved": loaded.resolved, "sources": sources}
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False), results)
        return
    rows = [(path, _value(value), _source(loaded.sources, path)) for path, value in leaves(loaded.resolved)]
    # One long value must not push everything to the right.
    keys, values = max(len(row[0]) for row in rows), min(max(len(row[1]) for row in rows), 48)
    for path, value, source in rows:
        typer.echo(f"{path:{keys}}  {value:{values}}  {source}".rstrip(), results)


def _source(sources: Mapping[str, str], path: str) -> str:
    """Where a value came from: its own entry, or that of the value it is a part of."""
    while path not in sources and "." in path:
        path = path.rpartition(".")[0]
    return sources.get(path, "")


def _value(value: Any) -> str:
    if isinstance(value, str) and value.isprintable() and value.strip() == value and value:
        return value
    return json.dumps(value, ensure_ascii=False)
