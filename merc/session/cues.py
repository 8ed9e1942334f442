"""The cues of conversations for a recipe's prompts: read from the store, checked, and what is said of them."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from merc.components import Prompter, Query
from merc.conversation import Conversation, LabelSpace
from merc.cues import CueStore, CueTable, PassOptions, annotate, look
from merc.errors import MercError, did_you_mean
from merc.files import cache_folder
from merc.media import Decoding
from merc.passes import Hashes
from merc.recipe import ComponentRef, Recipe, Stage, annotator_of, leads_to, needed_for
from merc.session.journal import Journal
from merc.session.reporter import Reporter, within

Prompting = Sequence[tuple[str, Prompter]]
"""Prompters, each with its path in the recipe."""
Wanted = Callable[[Collection[str]], Sequence[Conversation]]
"""Gives the conversations of which cues of some fields are wanted."""


SHOWN = "evaluate.demonstrations"
"""The path of a prompter that shows queries with their answers."""


def fields_of(path: str, prompter: Prompter) -> tuple[str, ...]:
    """The cues that are wanted for a prompter at a path of the recipe: those that its prompts show, and those that its
    answers are made of where a stage learns them or demonstrations show them."""
    answers = prompter.answer_fields() if path.startswith(("stages", SHOWN)) else ()
    return tuple(dict.fromkeys([*prompter.cue_fields(), *answers]))


def prompters_of(recipe: Recipe) -> Prompting:
    """The prompters of all stages and of the evaluation."""
    parts = [(f"{task.path}.prompter", task.prompter) for task in recipe.tasks]
    if recipe.evaluate is not None and recipe.evaluate.prompter is not None:
        parts.append(("evaluate.prompter", recipe.evaluate.prompter))
        if recipe.evaluate.demonstrations is not None:
            parts.append((SHOWN, recipe.evaluate.prompter))
    return [(path, part.component) for path, part in parts if isinstance(part.component, Prompter)]


def annotators_of(recipe: Recipe, prompters: Prompting) -> dict[str, ComponentRef]:
    """The annotators whose cues prompts read, and those whose cues these read, in the order in which they are asked."""
    read = {field for path, prompter in prompters for field in fields_of(path, prompter)}
    return needed_for(recipe.annotators, read)


def cue_store(recipe: Recipe) -> CueStore:
    """Where the answers are kept: beside the recipe's feature store, else in the user's cache."""
    store = recipe.features.store
    return CueStore(Path(store).absolute().parent / "cues" if store else cache_folder() / "cues")


def wanted_conversations(
    recipe: Recipe, conversations: Sequence[Conversation], fields: Collection[str] | None = None
) -> list[Conversation]:
    """The conversations that prompts of the recipe are made of, with ``fields`` of those prompts alone that read one of
    these cues; all of them where the recipe neither learns nor predicts."""
    if not recipe.stages and recipe.evaluate is None:
        return list(conversations)
    whole: set[str | None] = set()
    learned: set[str] = set()

    def reads(path: str, part: ComponentRef | None) -> bool:
        if fields is None:
            return True
        component = None if part is None else part.component
        return isinstance(component, Prompter) and bool(set(fields) & set(fields_of(path, component)))

    for stage in recipe.stages:
        for task in stage.tasks:
            if reads(f"{task.path}.prompter", task.prompter):
                learned |= {c.id for c in task.data.chosen(conversations)}
                # Any conversation of the train split may be shown.
                whole |= {"train"} if task.demonstrations is not None else set()
        if reads("dev", stage.prompter) and _evaluates_dev(stage, conversations):
            whole.add("dev")
    if recipe.evaluate is not None:
        prompter = recipe.last_prompter
        if reads("evaluate.prompter", prompter):
            whole |= {*recipe.evaluate.splits, recipe.evaluate.decoder.fits_on() or recipe.evaluate.splits[0]}
        if recipe.evaluate.demonstrations is not None and reads(SHOWN, prompter):
            whole.add("train")
    return [c for c in conversations if c.split in whole or c.id in learned]


def _evaluates_dev(stage: Stage, conversations: Sequence[Conversation]) -> bool:
    """Whether training may ask about dev as the stage's first task asks: not where this asks for texts, which are
    nothing to choose a state by."""
    prompter = stage.prompter.component
    assert isinstance(prompter, Prompter)
    talk = next(iter(stage.tasks[0].data.chosen(conversations)), None)
    if talk is None:
        return True
    cues = dict.fromkeys([*prompter.cue_fields(), *prompter.answer_fields()], "-")
    talk_with_cues = replace(talk, utterances=tuple(u.with_cues(cues) for u in talk.utterances))
    labels = LabelSpace(tuple(dict.fromkeys(u.label for u in talk.utterances if u.label)) or ("-",))
    try:
        return prompter.prompt(Query(conversation=talk_with_cues, index=0, labels=labels)).answer.text is None
    except Exception:  # it wants what is not there yet; a prompt that cannot be made is reported where prompts are
        return True


def read_cues(
    recipe: Recipe,
    prompters: Prompting,
    conversations_of: Wanted,
    corpus: Sequence[Conversation],
    reporter: Reporter,
) -> CueTable:
    """What the store has of the cues that these prompters read, of the conversations that are wanted; no teacher is
    asked.

    Raises MercError, naming ``merc annotate``, for utterances that were never asked about, and for a cue that nobody
    writes: no annotator of the recipe, and no utterance of the corpus has it.
    """
    _check_written(recipe, prompters, corpus)
    parts = annotators_of(recipe, prompters)
    if not parts:
        return CueTable()
    hashes, store, table = hashes_of(recipe), cue_store(recipe), CueTable()
    talks = {name: conversations_of(leads_to(recipe.annotators, name)) for name in parts}
    with reporter.task("cues") as progress:
        for number, (name, part) in enumerate(parts.items()):
            options = PassOptions(decoding=Decoding.of(recipe), progress=within(progress, number, len(parts)))
            one = look(store, {name: part}, talks[name], corpus, hashes, options, table)
            table = CueTable.joined([table, one])
    if table.unasked:
        faults = [
            f"annotators.{name} ({parts[name].name}) was never asked about {len(ids)} of "
            f"{sum(len(c.utterances) for c in talks[name])} utterances ({ids[0]}"
            f"{', ...' if len(ids) > 1 else ''})"
            for name, ids in table.unasked.items()
        ]
        damaged = "".join(f"\n  {note}" for note in table.notes)
        raise MercError(f"{'; '.join(faults)}: ask first, with: {annotate_command(recipe)}{damaged}")
    return table


def known_cues(recipe: Recipe, conversations: Sequence[Conversation]) -> list[Conversation]:
    """The conversations with the cues that the store has of them, for a report; what is not there is left out."""
    parts = annotators_of(recipe, prompters_of(recipe))
    if not parts:
        return list(conversations)
    return look(cue_store(recipe), parts, conversations, None, hashes_of(recipe)).beside(conversations)


def annotate_input(
    recipe: Recipe, prompters: Prompting, conversations: Sequence[Conversation], reporter: Reporter, device: str
) -> CueTable:
    """The cues of conversations that somebody gave, asked for now where the store has none."""
    parts = annotators_of(recipe, prompters)
    if not parts:
        return CueTable()
    names = ", ".join(f"{name} ({part.name})" for name, part in parts.items())
    reporter.say(f"the prompts of this run show cues, so the input is annotated by {names}")
    store, hashes = cue_store(recipe), hashes_of(recipe)
    with reporter.task("cues") as progress:
        options = PassOptions(device=device, decoding=Decoding.of(recipe), progress=progress)
        return annotate(store, parts, conversations, None, hashes, options)


def hashes_of(recipe: Recipe) -> Hashes:
    """The hashes of media files, which the feature store remembers too."""
    store = recipe.features.store
    return Hashes((Path(store) if store else cache_folder() / "features") / "hashes.json")


def annotate_command(recipe: Recipe) -> str:
    """The command that fills the store for a recipe as it was given."""
    return shlex.join(["merc", "annotate", *(recipe.arguments or (recipe.name,))])


def missing_cues(table: CueTable, prompter: Prompter, recipe: Recipe, utterance: str) -> dict[str, str]:
    """Why the model does not read an utterance's cues, by ``annotators.NAME``."""
    reasons = {}
    for name in annotators_of(recipe, [("", prompter)]):
        answer = table.answers.get((name, utterance))
        if answer is not None and answer.reason is not None:
            reasons[f"annotators.{name}"] = answer.reason
    return reasons


def note_cues(
    recipe: Recipe, prompters: Prompting, table: CueTable, conversations_of: Wanted, journal: Journal
) -> None:
    """Say and record what cues there are and what is missing. ``conversations_of`` gives the conversations as the
    corpus gave them, without the annotators' cues."""
    parts = annotators_of(recipe, prompters)
    unused = [name for name in recipe.annotators if name not in parts]
    if unused:
        journal.say(f"no prompt reads the cues of annotators.{', annotators.'.join(unused)}: not used")
    for name, part in parts.items():
        utterances = [u for c in conversations_of(leads_to(recipe.annotators, name)) for u in c.utterances]
        missing = table.missing(name)
        written = table.written(name)
        journal.log(
            {
                "event": "annotate", "stream": f"annotators.{name}", "encoded": len(utterances) - len(missing),
                "missing": [{"utterance": u, "reason": reason} for u, reason in missing.items()],
            }
        )  # fmt: skip
        counts = ", ".join(f"{field} {written[field]}" for field in _fields(part))
        guided = "; they were made with the gold label in sight" if name in table.label_guided else ""
        journal.say(
            f"annotators.{name} ({part.name}): cues for {len(utterances) - len(missing)} of {len(utterances)} "
            f"utterances ({counts}){guided}"
        )
        if missing:
            have = f"of {len(utterances)} utterances {'has' if len(missing) == 1 else 'have'}"
            again = len(table.to_retry(name))
            more = f"; {again} of them may get some yet, with: {annotate_command(recipe)}" if again else ""
            journal.say(f"annotators.{name}: {len(missing)} {have} no cue; the report lists the reasons{more}")
        for field in _fields(part):
            replaced = sum(field in u.cues and field in _given(table, name, u.id) for u in utterances)
            if replaced:
                count = f"{replaced} of {len(utterances)} utterances"
                journal.say(f"annotators.{name}: its cue {field!r} replaces the corpus's own for {count}")
    written_here = {field for part in parts.values() for field in _fields(part)}
    for field in dict.fromkeys(f for path, p in prompters for f in fields_of(path, p) if f not in written_here):
        utterances = [u for c in conversations_of((field,)) for u in c.utterances]
        lacking = sum(field not in u.cues and not isinstance(u.extra.get(field), str) for u in utterances)
        if lacking:
            journal.say(f"the cue {field!r}, from the corpus: {lacking} of {len(utterances)} utterances have none")
    for note in table.notes:
        journal.say(note)


def cue_record(recipe: Recipe, table: CueTable) -> dict[str, Any]:
    """What provenance says of cues: which annotator wrote which, how many, and a hash of them all."""
    names = dict.fromkeys(name for name, _ in table.answers)
    answers = sorted((name, u, sorted(a.cues.items())) for (name, u), a in table.answers.items())
    return (
        {
            "annotators": {
                name: {
                    "annotator": recipe.annotators[name].name,
                    "version": annotator_of(recipe.annotators[name]).version,
                    "written": dict(table.written(name)),
                    "missing": len(table.missing(name)),
                    **({"label_guided": True} if name in table.label_guided else {}),
                }
                for name in names
            },
            "sha256": hashlib.sha256(json.dumps(answers).encode()).hexdigest(),
        }
        if names
        else {}
    )


def _check_written(recipe: Recipe, prompters: Prompting, corpus: Sequence[Conversation]) -> None:
    """Raise MercError for a cue that a prompter or an annotator reads and nobody writes."""
    check_readers(recipe, annotators_of(recipe, prompters), corpus)
    written = {field: name for name, part in recipe.annotators.items() for field in _fields(part)}
    there = {field for c in corpus for u in c.utterances for field in u.cues}
    # What is learned may also stand beside the utterance, as a data set's own descriptions do.
    in_extra = {key for c in corpus for u in c.utterances for key, value in u.extra.items() if isinstance(value, str)}
    for path, prompter in prompters:
        for field in fields_of(path, prompter):
            beside = field in in_extra and field not in prompter.cue_fields()
            if field not in written and field not in there and not beside:
                known = (
                    ", ".join([*(f"{f} (annotators.{n})" for f, n in written.items()), *sorted(there - set(written))])
                    or "none"
                )
                raise MercError(
                    f"{path} reads the cue {field!r}, which no annotator of the recipe writes and no utterance of the "
                    f"corpus has.{did_you_mean(field, [*written, *there])} The cues are: {known}; name an annotator "
                    f"that writes it, as in annotators: {{teacher: {{name: ...}}}}, and run {annotate_command(recipe)}"
                )


def check_readers(recipe: Recipe, annotators: Mapping[str, ComponentRef], corpus: Sequence[Conversation]) -> None:
    """Raise MercError for a cue that an annotator reads, no other writes, and no utterance of the corpus has."""
    written = {field for part in recipe.annotators.values() for field in _fields(part)}
    there = {field for c in corpus for u in c.utterances for field in u.cues}
    for name, part in annotators.items():
        for field in annotator_of(part).reads():
            if field not in written | there:
                known = ", ".join(sorted(written | there))
                raise MercError(
                    f"annotators.{name} ({part.name}) reads the cue {field!r}, which no annotator of the recipe writes "
                    f"and no utterance of the corpus has.{did_you_mean(field, written | there)} The cues are: {known}"
                )


def _given(table: CueTable, name: str, utterance: str) -> Mapping[str, str]:
    answer = table.answers.get((name, utterance))
    return answer.cues if answer is not None else {}


def _fields(part: ComponentRef) -> tuple[str, ...]:
    return annotator_of(part).fields()
