"""``merc annotate``: ask a recipe's annotators for cues, and keep them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from merc.cues import CueTable
    from merc.recipe import ComponentRef, Recipe

_NAMED = 20


class Again(StrEnum):
    """Which answers are asked for once more."""

    REFUSED = "refused"


def command(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of one that comes with merc.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="key=value…", help="Values to change.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="An annotator's name in the recipe, once or more; by default those whose cues prompts read."),
    ] = None,
    again: Annotated[
        Again | None,
        typer.Option(help="Ask once more for final answers that gave no cue: 'refused'. Cues that there are stay."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, with every utterance that has no cue.")] = False,
) -> None:
    """Ask a recipe's annotators for the cues of the conversations whose prompts read them.

    What was answered stays answered, and is never asked for again: the command may be interrupted at any time and goes
    on where it was; several may run at once. Faults that may pass, such as a server that is down, are asked about again
    when the command is given again; the exit code is 1 where there are any. What a teacher could not answer stays, too,
    unless --again refused asks for it once more.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output()

    from merc.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])
    parts = _chosen(loaded, only)

    from merc.cli.progress import TerminalReporter
    from merc.cues import CueTable, PassOptions, annotate, look
    from merc.media import Decoding
    from merc.recipe import leads_to, needed_for
    from merc.session.cues import (
        annotators_of,
        check_readers,
        cue_store,
        hashes_of,
        prompters_of,
        wanted_conversations,
    )
    from merc.session.data import load_conversations
    from merc.session.folds import each_fold
    from merc.session.reporter import within

    reporter = TerminalReporter()
    with reporter.task("conversations") as progress:
        data = [load_conversations(one) for one in each_fold(loaded)]
        conversations = data[0].conversations
        progress(1.0, f"{len(conversations)}")
    for note in dict.fromkeys(note for one in data for note in one.notes):
        reporter.say(note)
    for name in loaded.annotators:
        if name not in parts and not only:
            reporter.say(f"annotators.{name}: no prompt reads its cues, so it is not asked; --only {name} asks it")
    device = loaded.strategy.device
    if device != "cpu":  # imported only here: an annotator need not use torch at all
        from merc.model.build import pick_device

        device = pick_device(device)
    hashes, table = hashes_of(loaded), CueTable()
    check_readers(loaded, parts, conversations)
    read = annotators_of(loaded, prompters_of(loaded))
    conversations_of = {}
    before = needed_for(loaded.annotators, {field for part in parts.values() for field in part.component.fields()})  # type: ignore[attr-defined]
    for name in before:
        fields = leads_to(loaded.annotators, name) if name in read else None
        ids = {c.id for one in data for c in wanted_conversations(loaded, one.conversations, fields)}
        conversations_of[name] = [c for c in conversations if c.id in ids]
    with reporter.task("cues") as progress:
        for number, (name, part) in enumerate(before.items()):
            options = PassOptions(
                device=device, decoding=Decoding.of(loaded), again_refused=again is not None,
                progress=within(progress, number, len(before)),
            )  # fmt: skip
            do = annotate if name in parts else look  # one that is only read is not asked
            some = conversations_of[name]
            one = do(cue_store(loaded), {name: part}, some, conversations, hashes, options, table)
            table = CueTable.joined([table, one])
    for note in table.notes:
        reporter.say(note)
    record = _record(table, parts, {name: sum(len(c.utterances) for c in conversations_of[name]) for name in parts})
    if as_json:
        import json

        summary = {"store": str(cue_store(loaded).root), "notes": list(table.notes), "annotators": record}
        typer.echo(json.dumps(summary, indent=1, ensure_ascii=False), results)
    else:
        _show(record, results)
        typer.echo(f"cues: {cue_store(loaded).root}", results)
    if any(what["again"] or what["unasked"] for what in record.values()):
        reporter.say("not all is answered: give the same command again to ask for the rest")
        raise typer.Exit(1)


def _chosen(recipe: Recipe, only: list[str] | None) -> dict[str, ComponentRef]:
    """The annotators to ask. Raises MercError where there are none."""
    from merc.errors import MercError, did_you_mean
    from merc.recipe import in_order
    from merc.session.cues import annotators_of, prompters_of

    there = recipe.annotators
    if not there:
        raise MercError(f"recipe {recipe.name!r} has no annotators, so nobody is asked; add some at annotators:")
    for name in only or ():
        if name not in there:
            raise MercError(
                f"--only {name}: the recipe has no annotator {name!r}.{did_you_mean(name, there)} "
                f"Its annotators are: {', '.join(there)}"
            )
    if only:
        return {name: part for name, part in in_order(there).items() if name in only}
    prompters = prompters_of(recipe)
    if not prompters:
        return in_order(there)
    read = annotators_of(recipe, prompters)
    if not read:
        raise MercError(
            f"recipe {recipe.name!r}: no prompt reads a cue of its annotators ({', '.join(there)}), so nobody is "
            "asked; let a prompter show one (cues: [...] of prompter 'conversation'), or give --only NAME"
        )
    return read


def _record(table: CueTable, parts: dict[str, ComponentRef], utterances: Mapping[str, int]) -> dict[str, Any]:
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
            more = f" and {len(utterances) - _NAMED} more" if len(utterances) > _NAMED else ""
            again = " (asked again next time)" if set(utterances) & set(what["again"]) else ""
            listed = f"{', '.join(utterances[:_NAMED])}{more}"
            console.print(f"{name}: {len(utterances)} x {reason}{again}: {listed}", markup=False)
