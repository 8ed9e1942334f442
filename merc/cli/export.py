"""``merc export``: a run's language model as a folder of transformers or PEFT."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A trained run: its directory, or a name that merc plugins lists.")
    ],
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The new folder.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Other values in strategy, as in strategy.device=cpu."),
    ] = None,
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Keep what was added apart, in PEFT's own format, and merge nothing.")
    ] = False,
) -> None:
    """Write a run's language model into a new folder that transformers loads, or PEFT, with a model card.

    What was learned is merged into the model's own weights where that can be done: LoRA, IA3, biases, layers. Virtual
    tokens stay apart, in an adapter of PEFT that names the model it is for.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.session.api import open_session
    from merc.session.export import export_run
    from merc.session.journal import Journal, Logging

    session = open_session(run, overrides or [], Journal(Logging()))
    kind = export_run(session, dest, adapter)
    typer.echo(f"{dest} holds {'a model of transformers' if kind == 'model' else 'an adapter of PEFT'}", results)
