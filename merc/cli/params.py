"""``merc params``: count the parameters of a recipe's model, by part."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of one that comes with merc.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="key=value…", help="Values to change.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
) -> None:
    """Count the parameters of a recipe's model, by part. Nothing is loaded but configurations."""
    import json

    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.recipe import load_recipe

    found = load_recipe(recipe, overrides or [])

    from merc.components import Encoder
    from merc.model.build import build_meta
    from merc.model.parameters import count_networks, count_parameters, shares

    encoders = {n: p.component for n, p in found.encoders.items() if isinstance(p.component, Encoder)}
    networks, silent = count_networks(encoders)
    parts = [*count_parameters(build_meta(found)), *networks]
    total, trainable = sum(p.total for p in parts), sum(p.trainable for p in parts)
    if as_json:
        record = {
            "total": total,
            "trainable": trainable,
            "parts": {p.part: {"total": p.total, "trainable": p.trainable} for p in parts},
        }
        if networks:
            record["shares"] = {s.of: {"total": s.total, "percent": round(s.percent, 4)} for s in shares(parts)}
        if silent:
            record["uncounted"] = [f"encoders.{name}" for name in silent]
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
    for share in shares(parts):
        of = "all" if share.of == "all parts" else share.of
        table.add_row(of, f"{share.total:,}", f"{share.trainable:,}", f"{share.percent:.2f}")
    console = Console(file=results, highlight=False)
    console.print(table)
    if silent:
        console.print(f"not counted, as their encoders state no size: {', '.join(silent)}")
