"""``merc encode``: fill the feature store for a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from merc.cli.arguments import Overrides, RecipeName
from merc.errors import first_names

if TYPE_CHECKING:
    from merc.conversation import Conversation
    from merc.features import FeatureTable

_NAMED = 5


def command(
    recipe: RecipeName,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, with every utterance that is missing.")] = False,
) -> None:
    """Fill the feature store for all encoders of a recipe and the conversations that its runs read.

    It may be interrupted at any time and goes on where it was; several may run at once on one store. What cannot be
    encoded is listed with the reason and is no error.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.errors import MercError
    from merc.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])
    if not loaded.encoders:
        raise MercError(f"recipe {loaded.name!r} has no encoders, so there is nothing to encode; add some at encoders:")

    from merc.cli.progress import TerminalReporter
    from merc.session.distribution import encode_corpus
    from merc.session.fold_recipes import read_by_runs

    reporter = TerminalReporter()
    with reporter.task("corpus") as progress:
        conversations, notes = read_by_runs(loaded)
        progress(1.0, f"{len(conversations)} conversations")
    for note in notes:
        reporter.say(note)
    table = encode_corpus(loaded, conversations, reporter)
    for note in table.notes:
        reporter.say(note)
    record = _record(table, list(loaded.encoders), conversations)
    if as_json:
        import json

        summary = {"store": str(table.store.root), "notes": list(table.notes), "streams": record}
        typer.echo(json.dumps(summary, indent=1), results)
    else:
        _show(record, results)
        typer.echo(f"features: {table.store.root}", results)


def _record(table: FeatureTable, streams: list[str], conversations: Any) -> dict[str, Any]:
    """What is there of each stream, what was encoded now, and what is missing and why."""
    ids = _ids(conversations)
    record = {}
    for stream in streams:
        reasons = {u: table.missing[stream, u] for u in ids if (stream, u) in table.missing}
        record[stream] = {
            "utterances": len(ids),
            "encoded": table.encoded.get(stream, 0),
            "missing": [{"utterance": u, "reason": reason} for u, reason in reasons.items()],
        }
    return record


def _ids(conversations: list[Conversation]) -> list[str]:
    return [u.id for c in conversations for u in c.utterances]


def _show(record: dict[str, Any], results: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table

    from merc.components.reasons import count_reasons

    console = Console(file=results, highlight=False, soft_wrap=True)
    layout = Table()
    layout.add_column("stream")
    for name in ("utterances", "encoded now", "missing"):
        layout.add_column(name, justify="right")
    for stream, what in record.items():
        layout.add_row(stream, str(what["utterances"]), str(what["encoded"]), str(len(what["missing"])))
    console.print(layout)
    for stream, what in record.items():
        for reason in count_reasons((entry["utterance"], entry["reason"]) for entry in what["missing"]):
            named = first_names(reason.names, _NAMED)
            count = f"{len(reason.names)} of {what['utterances']}"
            console.print(f"{stream}: {count} ({named}): {reason.text}", markup=False)
