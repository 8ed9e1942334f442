"""A recipe's conversations, ready: checked, labelled, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from merc.components import CannotEncode, Corpus, Features, Fuser, Query
from merc.conversation import Conversation, LabelSpace
from merc.errors import ManyErrors, MercError, did_you_mean
from merc.features import FeatureTable
from merc.recipe import Recipe


@dataclass(frozen=True)
class Data:
    """Conversations by split, the label space, and sentences for the user about them."""

    conversations: tuple[Conversation, ...]
    labels: LabelSpace
    notes: tuple[str, ...] = ()
    by_split: Mapping[str, tuple[Conversation, ...]] = field(default_factory=dict)

    def split(self, name: str) -> tuple[Conversation, ...]:
        """The conversations of a split. Raises MercError for one that is empty."""
        found = self.by_split.get(name, ())
        if not found:
            there = ", ".join(f"{n} ({len(c)})" for n, c in self.by_split.items()) or "none"
            raise MercError(f"the corpus has no conversation in the split {name!r}; the splits with some are: {there}")
        return found


def load_data(recipe: Recipe) -> Data:
    """Load the recipe's corpus and check it. Raises MercError for an empty corpus, an id that stands twice, and labels
    outside the label space."""
    corpus = recipe.corpus.component
    assert isinstance(corpus, Corpus)
    found = corpus.load()
    notes = list(found.notes)
    conversations = [c for c in found.conversations if c.utterances]
    if len(conversations) < len(found.conversations):
        notes.append(
            f"{len(found.conversations) - len(conversations)} conversations have no utterance and are left out"
        )
    if not conversations:
        raise MercError(f"corpus {recipe.corpus.name!r} is empty: it gave no conversation with an utterance")
    unsplit = [c for c in conversations if c.split is None]
    if unsplit:
        notes.append(f"{len(unsplit)} conversations state no split: they count as test")
        conversations = [replace(c, split="test") if c.split is None else c for c in conversations]
    labels = recipe.labels or found.labels or LabelSpace.found_in([c for c in conversations if c.split == "train"])
    if len(labels) == 0:
        raise MercError(
            f"there are no labels: corpus {recipe.corpus.name!r} declares none and its train split holds none; "
            "list them in the recipe, as in labels: [joy, anger, neutral]"
        )
    check_ids(conversations)
    check_labels(conversations, labels)
    unlabelled = sum(u.label is None for c in conversations for u in c.utterances)
    if unlabelled:
        notes.append(f"{unlabelled} utterances have no label: they are read as context and predicted, never learned")
    splits: dict[str, tuple[Conversation, ...]] = {
        name: tuple(c for c in conversations if c.split == name)
        for name in ("train", "dev", "test")
        if any(c.split == name for c in conversations)
    }
    return Data(tuple(conversations), labels, tuple(notes), splits)


def check_ids(conversations: Sequence[Conversation]) -> None:
    """Raise MercError for conversation or utterance ids that stand more than once."""
    for what, ids in (
        ("conversation", [c.id for c in conversations]),
        ("utterance", [u.id for c in conversations for u in c.utterances]),
    ):
        twice = [name for name, count in Counter(ids).items() if count > 1]
        if twice:
            shown = ", ".join(map(repr, twice[:5]))
            raise MercError(
                f"{len(twice)} {what} ids stand more than once ({shown}); ids must differ in a whole corpus"
            )


def check_labels(conversations: Sequence[Conversation], labels: LabelSpace) -> None:
    """Raise MercError for labels outside the label space, each with its utterance and where that was read."""
    errors = []
    for conversation in conversations:
        for utterance in conversation.utterances:
            if utterance.label is not None and utterance.label not in labels.labels:
                where = f"conversation {conversation.id!r}"
                hint = did_you_mean(utterance.label, labels.labels)
                errors.append(
                    f"{where}, utterance {utterance.id!r}: label {utterance.label!r} is not one of them.{hint}"
                )
    if errors:
        shown = [*errors[:10], f"and {len(errors) - 10} more"] if len(errors) > 10 else errors
        raise ManyErrors(
            shown,
            f"{len(errors)} label{'s are' if len(errors) > 1 else ' is'} outside the label space "
            f"({', '.join(labels.labels)})",
        )


def queries(conversations: Sequence[Conversation], labels: LabelSpace, labelled_only: bool) -> list[list[Query]]:
    """A query for each utterance, grouped by conversation."""
    groups = [
        [
            Query(conversation=c, index=i, labels=labels)
            for i, u in enumerate(c.utterances)
            if u.label is not None or not labelled_only
        ]
        for c in conversations
    ]
    return [g for g in groups if g]


def used_streams(recipe: Recipe) -> tuple[set[str], set[str]]:
    """The streams that prompts of any stage or of the evaluation may show, and the encoders that these need."""
    prompters = [s.prompter for s in recipe.stages]
    if recipe.evaluate and recipe.evaluate.prompter:
        prompters.append(recipe.evaluate.prompter)
    shown = {stream for p in prompters for stream in p.component.streams()}  # type: ignore[attr-defined]
    encoders: set[str] = set()
    for stream in shown:
        encoders.update(inputs_of(recipe, stream))
    return shown, encoders


def inputs_of(recipe: Recipe, stream: str) -> tuple[str, ...]:
    """The encoders behind a stream: itself, or a fuser's inputs."""
    part = recipe.fusers.get(stream)
    if part is None:
        return (stream,)
    assert isinstance(part.component, Fuser)
    return tuple(part.component.inputs) or tuple(recipe.encoders)


class FeatureCache:
    """What gives the model its features: the table's, kept in memory up to a number of bytes."""

    def __init__(self, table: FeatureTable, limit: int = 2 << 30) -> None:
        self.table = table
        self.limit = limit
        self.held = 0
        self.kept: dict[tuple[str, str, int], Features | CannotEncode] = {}

    def __call__(self, stream: str, utterance: str, draw: int) -> Features | CannotEncode:
        """Features of a stream, an utterance and a draw; draws are taken in turn."""
        key = (stream, utterance, draw % len(self.table.places[stream, utterance]))
        found = self.kept.get(key)
        if found is None:
            found = self.table.get(*key)
            size = 0 if isinstance(found, CannotEncode) else found.nbytes
            if self.held + size <= self.limit:
                self.held += size
                self.kept[key] = found
        return found


def missing_streams(recipe: Recipe, table: FeatureTable, utterance: str, shown: set[str]) -> dict[str, str]:
    """Why the model does not see an utterance's streams, by encoder."""
    reasons = {}
    for stream in sorted(shown):
        for encoder in inputs_of(recipe, stream):
            reason = table.missing.get((encoder, utterance))
            if reason is not None:
                reasons[encoder] = reason
    return reasons
