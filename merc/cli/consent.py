"""``--allow`` and ``--allow-env``, which every command has that reads a recipe or a run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from merc.consent import allow

COMMANDS = (
    "run", "predict", "evaluate", "benchmark", "score", "compare", "report", "show", "validate", "copy", "encode",
    "annotate", "params", "export",
)  # fmt: skip
"""The commands that have the two options."""


def add_options(command: Any) -> None:
    """Give a command the two options. What they allow holds for the process, so the command itself is given nothing."""
    app = typer.Typer(add_completion=False)
    app.command()(_options)
    for option in typer.main.get_command(app).params:
        option.expose_value = False
        command.params.append(option)


def _allow_servers(items: list[str] | None) -> None:
    allow(*(items or ()), source="--allow")


def _allow_variables(names: list[str] | None) -> None:
    allow(*(f"env:{name}" for name in names or ()), source="--allow-env")


def _options(
    servers: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="HOST[:PORT]",
            help="A server that the recipe may send to; http://HOST[:PORT] also without encryption.",
            callback=_allow_servers,
        ),
    ] = None,
    variables: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-env",
            metavar="NAME",
            help="A variable of the environment that the recipe may read.",
            callback=_allow_variables,
        ),
    ] = None,
) -> None:
    pass
