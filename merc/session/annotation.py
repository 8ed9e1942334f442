"""A recipe's annotators, asked about its corpus: what ``merc annotate`` and ``merc.annotate`` do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from merc.components import Annotation, Annotator
from merc.conversation import Conversation, LabelSpace
from merc.cues import CueStore, CueTable, PassOptions, annotate, look, unanswered
from merc.errors import MercError, did_you_mean
from merc.media import Decoding
from merc.passes import Hashes
from merc.recipe import ComponentRef, Recipe, annotator_of, in_order, leads_to, needed_for
from merc.session.cues import (
    annotators_of,
    check_readers,
    cue_store,
    hashes_of,
    prompters_of,
    wanted_conversations,
)
from merc.session.data import load_conversations
from merc.session.distribution import annotate_elsewhere, workers_of
from merc.session.encoding import device_of
from merc.session.fold_recipes import each_fold
from merc.session.reporter import Reporter, within


class _Asking(NamedTuple):
    """The arguments of a pass, in their order."""

    store: CueStore
    annotators: Mapping[str, ComponentRef]
    about: Sequence[Conversation]
    corpus: Sequence[Conversation]
    hashes: Hashes
    options: PassOptions
    known: CueTable


@dataclass(frozen=True, eq=False)
class Annotated:
    """A corpus with what annotators wrote of it."""

    conversations: Sequence[Conversation]
    """The conversations, with all cues beside their utterances."""
    labels: LabelSpace | None
    """The corpus's own label space; None where it has none."""
    annotators: Mapping[str, ComponentRef]
    """The annotators that were asked, in that order, by their names in the recipe."""
    table: CueTable
    """Their answers."""
    asked_about: Mapping[str, Sequence[Conversation]]
    """The conversations that each annotator is for."""
    store: CueStore
    """Where the answers are kept."""

    @property
    def unfinished(self) -> dict[str, int]:
        """How many utterances an annotator has no final answer for, by its name; those that are done are left out."""
        counts = {
            name: len(self.table.unasked.get(name, ())) + len(self.table.to_retry(name)) for name in self.annotators
        }
        return {name: count for name, count in counts.items() if count}

    def answers(self, name: str) -> Iterator[tuple[str, Annotation]]:
        """The answers of an annotator, by utterance, raw ones included."""
        return ((utterance, answer) for (one, utterance), answer in self.table.answers.items() if one == name)

    def record(self, name: str) -> dict[str, Any]:
        """What is known of an annotator, as plain values: its registered ``name``, ``version``, ``identity``, the
        ``fields`` that it writes, what it ``reads``, the ``servers`` it asks, and whether it is ``label_guided``."""
        part = self.annotators[name]
        annotator = part.component
        assert isinstance(annotator, Annotator)
        return {
            "name": part.name,
            "version": annotator.version,
            "identity": dict(annotator.identity()),
            "fields": list(annotator.fields()),
            "reads": list(annotator.reads()),
            "servers": list(annotator.servers()),
            "label_guided": name in self.table.label_guided,
        }


def annotate_recipe(
    recipe: Recipe,
    reporter: Reporter,
    *,
    only: Sequence[str] = (),
    every: bool = False,
    again_refused: bool = False,
    ask: bool = True,
) -> Annotated:
    """Ask a recipe's annotators for the cues of the conversations whose prompts read them, and give what there is.

    Args:
        recipe: The recipe.
        reporter: Is told what happens.
        only: The names of annotators to ask; by default those whose cues prompts read, and those that they read.
        every: Whether all annotators are asked about all conversations, whatever prompts read.
        again_refused: Whether final answers without cues are asked for once more.
        ask: Whether anybody is asked; without it, what the store has.

    Raises:
        MercError: There is nobody to ask, or an annotator breaks its contract, or its server refuses.
    """
    with reporter.task("conversations") as progress:
        data = [load_conversations(one) for one in each_fold(recipe)]
        conversations = data[0].conversations
        progress(1.0, f"{len(conversations)}")
    for note in dict.fromkeys(note for one in data for note in one.notes):
        reporter.say(note)
    parts = in_order(recipe.annotators) if every else chosen_annotators(recipe, only)
    for name in recipe.annotators:
        if name not in parts and not only:
            reporter.say(f"annotators.{name}: no prompt reads its cues, so it is not asked; --only {name} asks it")
    device = device_of(recipe) if ask else recipe.strategy.device
    hashes, table, store = hashes_of(recipe), CueTable(), cue_store(recipe)
    check_readers(recipe, parts, conversations)
    read = {} if every else annotators_of(recipe, prompters_of(recipe))
    before = needed_for(recipe.annotators, {field for part in parts.values() for field in annotator_of(part).fields()})
    about: dict[str, list[Conversation]] = {}
    with reporter.task("cues") as progress:
        for number, (name, part) in enumerate(before.items()):
            fields = leads_to(recipe.annotators, name) if name in read else None
            ids = {
                c.id
                for one in data
                for c in (one.conversations if every else wanted_conversations(recipe, one.conversations, fields))
            }
            about[name] = [c for c in conversations if c.id in ids]
            options = PassOptions(
                device=device, decoding=Decoding.of(recipe), again_refused=again_refused,
                progress=within(progress, number, len(before)),
            )  # fmt: skip
            asking = _Asking(store, {name: part}, about[name], conversations, hashes, options, table)
            # One that is only read is not asked.
            one = _asked(recipe, name, asking, reporter) if ask and name in parts else look(*asking)
            table = CueTable.joined([table, one])
    for note in table.notes:
        reporter.say(note)
    return Annotated(table.beside(conversations), data[0].labels, parts, table, about, store)


def _asked(recipe: Recipe, name: str, asking: _Asking, reporter: Reporter) -> CueTable:
    """The answers of an annotator that is asked, by the recipe's workers first."""
    elsewhere, workers = 0, workers_of(recipe.workers)
    if workers is not None:
        options = asking.options
        elsewhere = annotate_elsewhere(
            recipe, workers, name, asking.about, unanswered(*asking), options.again_refused, reporter
        )
        if options.again_refused:  # they asked again
            asking = asking._replace(options=replace(options, again_refused=False))
    table = annotate(*asking)
    return replace(table, asked={name: table.asked.get(name, 0) + elsewhere})


def chosen_annotators(recipe: Recipe, only: Sequence[str]) -> dict[str, ComponentRef]:
    """The annotators to ask, in order. Raises MercError where there are none."""
    there = recipe.annotators
    if not there:
        raise MercError(f"recipe {recipe.name!r} has no annotators, so nobody is asked; add some at annotators:")
    for name in only:
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
