"""``merc annotate``: ask a recipe's annotators for cues, and keep them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from merc.cli.arguments import Overrides, RecipeName
from merc.errors import first_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from merc.cues import CueTable
    from merc.recipe import ComponentRef
    from merc.session.annotation import Annotated as Annotations

_NAMED = 20


class Again(StrEnum):
    """Which answers are asked for once more."""

    REFUSED = "refused"


def command(
    recipe: RecipeName,
    overrides: Overrides = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="An annotator's name in the recipe, once or more; by default those whose cues prompts read."),
    ] = None,
    again: Annotated[
        Again | None,
        typer.Option(help="Ask once more for final answers that gave no cue: 'refused'. Cues that there are stay."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, with every utterance that has no cue.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what asking would cost, by annotator, and ask nobody.")
    ] = False,
    seconds: Annotated[float, typer.Option(help="With --dry-run: how many seconds a request takes.")] = 3.0,
) -> None:
    """Ask a recipe's annotators for the cues of the conversations whose prompts read them.

    What was answered stays answered, and is never asked for again: the command may be interrupted at any time and goes
    on where it was; several may run at once. Faults that may pass, such as a server that is down, are asked about again
    when the command is given again; the exit code is 1 where there are any. What a teacher could not answer stays, too,
    unless --again refused asks for it once more.

    --dry-run asks nobody, and counts requests, tokens and hours of what is not answered yet.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])

    from merc.cli.progress import TerminalReporter
    from merc.session.annotation import annotate_recipe

    reporter = TerminalReporter()
    if dry_run:
        _show_cost(annotate_recipe(loaded, reporter, only=only or (), ask=False), seconds, as_json, results)
        return
    done = annotate_recipe(loaded, reporter, only=only or (), again_refused=again is not None)
    table, parts = done.table, done.annotators
    record = _record(table, parts, {name: sum(len(c.utterances) for c in done.asked_about[name]) for name in parts})
    if as_json:
        import json

        summary = {"store": str(done.store.root), "notes": list(table.notes), "annotators": record}
        typer.echo(json.dumps(summary, indent=1, ensure_ascii=False), results)
    else:
        _show(record, results)
        typer.echo(f"cues: {done.store.root}", results)
    if any(what["again"] or what["unasked"] for what in record.values()):
        reporter.say("not all is answered: give the same command again to ask for the rest")
        raise typer.Exit(1)


def _show_cost(annotated: Annotations, seconds: float, as_json: bool, results: TextIO) -> None:
    """What asking for all that is not answered would cost."""
    from merc.session.annotation_cost import estimates, estimates_text

    rows = estimates(annotated, seconds)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(one) for one in rows], indent=1), results)
    else:
        typer.echo(estimates_text(rows, seconds), results)


def _record(table: CueTable, parts: Mapping[str, ComponentRef], utterances: Mapping[str, int]) -> dict[str, Any]:
    """What there is of each annotator, what was asked now, and what is missing and why."""
    return {
        name: {
            "annotator": part.name,
            "utterances": utterances[name],
            "asked": table.asked.get(name, 0),
            "cues": {field: table.written(name)[field] for field in part.component.fields()},  # type: ignore[attr-defined]
            "missing": [{"utterance": u, "reason": reason} for u, reason in table.missing(name).items()],
            "again": table.to_retry(name),
            **({"label_guided": True} if name in table.label_guided else {}),
            "unasked": list(table.unasked.get(name, ())),
        }
        for name, part in parts.items()
    }


def _show(record: dict[str, Any], results: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True, file=results)
    layout = Table()
    layout.add_column("annotator")
    for name in ("utterances", "asked now", "no cue", "not asked"):
        layout.add_column(name, justify="right")
    layout.add_column("cues")
    for name, what in record.items():
        counts = [what["utterances"], what["asked"], len(what["missing"]), len(what["unasked"])]
        cues = ", ".join(f"{field} {count}" for field, count in what["cues"].items())
        guided = ", label-guided" if what.get("label_guided") else ""
        layout.add_row(f"{name} ({what['annotator']}{guided})", *map(str, counts), cues)
    console.print(layout)
    for name, what in record.items():
        by_reason: dict[str, list[str]] = {}
        for entry in what["missing"]:
            by_reason.setdefault(entry["reason"], []).append(entry["utterance"])
        for reason, utterances in sorted(by_reason.items(), key=lambda item: -len(item[1])):
            again = " (asked again next time)" if set(utterances) & set(what["again"]) else ""
            listed = first_names(utterances, _NAMED)
            console.print(f"{name}: {len(utterances)} x {reason}{again}: {listed}", markup=False)
