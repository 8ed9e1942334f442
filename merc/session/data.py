"""A recipe's conversations, ready: checked, labelled, counted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from merc.components import Corpus, CorpusData, Features, Fuser, Missing, Query
from merc.consent import require
from merc.conversation import Conversation, LabelSpace
from merc.cues import CueTable
from merc.errors import MercError
from merc.features import FeatureTable
from merc.recipe import ComponentRef, Recipe
from merc.session.relabel import relabelled
from merc.session.repeats import repeats
from merc.session.splitting import divided, kept_parts

Spaces = Mapping[str | None, LabelSpace]
"""The label spaces of datasets that have one of their own, by ``Conversation.dataset``."""


@dataclass(frozen=True)
class Data:
    """Conversations by split, the label space, sentences for the user about them, and the seed of what is drawn from
    them. ``spaces`` are the label spaces of datasets that have one of their own; ``labels`` holds the labels of all.
    ``whole`` are the conversations before ``evaluate.limit``."""

    conversations: tuple[Conversation, ...]
    labels: LabelSpace
    notes: tuple[str, ...] = ()
    by_split: Mapping[str, tuple[Conversation, ...]] = field(default_factory=dict)
    seed: int = 0
    spaces: Spaces = field(default_factory=dict)
    whole: tuple[Conversation, ...] = ()

    def split(self, name: str, named_by: str = "") -> tuple[Conversation, ...]:
        """The conversations of a split. Raises MercError for one that is empty; ``named_by`` is what in the recipe
        asks for it."""
        conversations = self.by_split.get(name, ())
        if not conversations:
            there = ", ".join(f"{n} ({len(c)})" for n, c in self.by_split.items()) or "none"
            remedy = f"; {named_by} asks for it, and can be set to others" if named_by else ""
            raise MercError(
                f"the corpus has no conversation in the split {name!r}; the splits with some are: {there}{remedy}"
            )
        return conversations

    def with_cues(self, table: CueTable) -> Data:
        """The same with annotators' cues beside the utterances."""
        conversations = table.beside(self.conversations)
        return replace(self, conversations=tuple(conversations), by_split=_by_split(conversations))


def load_data(recipe: Recipe, labels: LabelSpace | None = None, parts: Path | None = None) -> Data:
    """Load the recipe's corpus and check it against ``labels``, by default those of the recipe or the corpus. ``parts``
    is where a run keeps which conversation went where, if it is there.

    Where the corpus has datasets with a label space each, and the recipe declares none for all of them, every dataset
    keeps its own. ``evaluate.limit`` leaves the first conversations of dev and of test. Raises MercError for an empty
    corpus, an id that occurs twice, and labels outside the label space.
    """
    data = load_conversations(recipe, labels is not None, parts)
    conversations, notes = list(data.conversations), list(data.notes)
    if recipe.evaluate is not None and recipe.evaluate.limit is not None:
        conversations = _limited(conversations, recipe.evaluate.limit, notes)
    labels = data.label_space(labels or recipe.labels)
    if recipe.relabel:
        notes.append(f"relabel: the labels are {', '.join(labels.labels)}")
    spaces = {} if recipe.labels or not data.spaces else _within(data.spaces_of_all(), labels)
    unlabelled = sum(u.label is None for c in conversations for u in c.utterances)
    if unlabelled:
        total = sum(len(c.utterances) for c in conversations)
        have = f"{unlabelled} of {total} utterances {'has' if unlabelled == 1 else 'have'}"
        learned = "only a stage that trains heads alone learns from them" if recipe.heads else "never learned"
        notes.append(f"{have} no label: read as context and predicted, {learned}")
    return Data(
        tuple(conversations), labels, tuple(notes), _by_split(conversations), recipe.seed, spaces,
        tuple(data.conversations),
    )  # fmt: skip


def _limited(conversations: Sequence[Conversation], limit: int, notes: list[str]) -> list[Conversation]:
    """The first ``limit`` conversations of dev and of test, and all the others; a note says what is left out."""
    limited = []
    counts: Counter[str | None] = Counter()
    for conversation in conversations:
        counts[conversation.split] += 1
        if conversation.split == "train" or counts[conversation.split] <= limit:
            limited.append(conversation)
    for split in ("dev", "test"):
        if counts[split] > limit:
            notes.append(f"evaluate.limit: of {split} the first {limit} of {counts[split]} conversations, no others")
    return limited


def _limited_train(recipe: Recipe, conversations: list[Conversation], notes: list[str]) -> list[Conversation]:
    """The conversations of train that ``corpus.limit`` keeps, in their order, and all the others; a note says what is
    left out. Raises MercError for a limit below 1, and for one of a corpus inside another."""
    corpus = recipe.corpus.component
    assert isinstance(corpus, Corpus)
    for one in fields(corpus):
        inner = getattr(corpus, one.name)
        if isinstance(inner, Corpus) and inner.limit is not None:
            raise MercError(
                f"corpus.{one.name}.limit: a limit is of the corpus that the recipe reads; set corpus.limit"
            )
    if corpus.limit is None:
        return conversations
    if corpus.limit < 1:
        raise MercError(f"corpus.limit counts conversations from 1, not {corpus.limit}")
    train = [c.id for c in conversations if c.split == "train"]
    if len(train) <= corpus.limit:
        return conversations
    chosen_ids, how = train[: corpus.limit], "the first"
    if corpus.limit_seed is not None:
        chosen_ids, how = random.Random(f"{corpus.limit_seed}/corpus.limit").sample(train, corpus.limit), "by chance"
    notes.append(f"corpus.limit: of train {how} {corpus.limit} of {len(train)} conversations, no others")
    chosen = set(chosen_ids)
    return [c for c in conversations if c.split != "train" or c.id in chosen]


def _within(spaces: Spaces, labels: LabelSpace) -> Spaces:
    """Label spaces without the labels that a run does not know; one of which nothing is left stands for all labels."""
    spaces_within = {}
    for name, space in spaces.items():
        known = tuple(label for label in space.labels if label in labels.labels)
        if known:
            spaces_within[name] = LabelSpace(
                known, {label: words for label, words in space.words.items() if label in known}
            )
    return spaces_within


def read_corpus(recipe: Recipe, trained: bool = False) -> CorpusData:
    """What the recipe's corpus gave, with the labels that the recipe makes of its own. Raises MercError for an empty
    corpus, an id that occurs twice, and a label that ``relabel`` names and that is not there, unless ``trained``."""
    corpus = recipe.corpus.component
    assert isinstance(corpus, Corpus)
    require(corpus, f"corpus {recipe.corpus.name!r}")
    data = relabelled(corpus.load(), recipe.relabel, trained)
    notes = list(data.notes)
    conversations = [c for c in data.conversations if c.utterances]
    if silent := len(data.conversations) - len(conversations):
        have = f"{silent} of {len(data.conversations)} conversations {'has' if silent == 1 else 'have'}"
        notes.append(f"{have} no utterance: left out")
    if not conversations:
        raise MercError(f"corpus {recipe.corpus.name!r} is empty: it gave no conversation with an utterance")
    check_ids(conversations)
    return replace(data, conversations=conversations, notes=tuple(notes))


def load_conversations(recipe: Recipe, trained: bool = False, parts: Path | None = None) -> CorpusData:
    """What ``read_corpus`` gives, each conversation with a split; labels are not compared with the label space.
    ``parts`` is as in ``load_data``. Raises MercError where nothing says what to learn from."""
    data = read_corpus(recipe, trained)
    conversations, notes, labels = list(data.conversations), list(data.notes), data.labels
    unsplit = sum(c.split is None for c in conversations)
    if recipe.split is not None:
        parts_file = parts if parts is not None and parts.is_file() else None
        conversations, split_notes = (
            kept_parts(parts_file, conversations) if parts_file else divided(conversations, recipe.split)
        )
        notes += split_notes
        # What the train part happens to hold would be another label space for each fold.
        labels = labels or LabelSpace.found_in([c for c in conversations if c.dataset not in data.spaces])
    elif unsplit:
        state = f"{unsplit} of {len(conversations)} conversations {'states' if unsplit == 1 else 'state'}"
        if unsplit == len(conversations) and recipe.stages and not trained:
            raise MercError(
                f"{state} no split, and the recipe has none; state it in the data (split: train), or let the recipe "
                "divide them: split: {by: conversation, dev: 0.1, test: 0.2}"
            )
        notes.append(f"{state} no split: counted as test")
        conversations = [replace(c, split=c.split or "test") for c in conversations]
    conversations = _limited_train(recipe, conversations, notes)
    notes += repeats(conversations)
    return replace(data, conversations=conversations, labels=labels, notes=tuple(notes))


def _by_split(conversations: Sequence[Conversation]) -> dict[str, tuple[Conversation, ...]]:
    return {
        name: tuple(c for c in conversations if c.split == name)
        for name in ("train", "dev", "test")
        if any(c.split == name for c in conversations)
    }


def check_ids(conversations: Sequence[Conversation]) -> None:
    """Raise MercError for conversation or utterance ids that stand more than once, with where each was read."""
    for what, ids in (
        ("conversation", [(c.id, c.utterances[0].origin) for c in conversations]),
        ("utterance", [(u.id, u.origin) for c in conversations for u in c.utterances]),
    ):
        counts = Counter(name for name, _ in ids)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            texts = []
            for name in twice[:5]:
                places = [origin for other, origin in ids if other == name and origin]
                texts.append(f"{name!r}" + (f" ({'; '.join(places[:3])})" if places else ""))
            more = f" and {len(twice) - 5} more" if len(twice) > 5 else ""
            raise MercError(
                f"every {what} of a corpus needs an id of its own; {len(twice)} of {len(counts)} ids occur more than "
                f"once: {', '.join(texts)}{more}"
            )


def labelled(query: Query) -> bool:
    """Whether the target of a query has a label."""
    return query.target.label is not None


def queries(
    conversations: Sequence[Conversation],
    labels: LabelSpace,
    only: Callable[[Query], bool] = lambda query: True,
    spaces: Spaces | None = None,
) -> list[list[Query]]:
    """A query for each utterance, or those that ``only`` is true for, grouped by conversation. Its labels are those of
    the conversation's dataset in ``spaces``, else ``labels``."""
    groups = []
    for talk in conversations:
        own = (spaces or {}).get(talk.dataset, labels)
        every = [Query(conversation=talk, index=i, labels=own) for i in range(len(talk.utterances))]
        groups.append([query for query in every if only(query)])
    return [g for g in groups if g]


def used_streams(recipe: Recipe) -> tuple[set[str], set[str]]:
    """The streams that prompts of any stage or of the evaluation may show, and the encoders that these need."""
    prompters = [task.prompter for task in recipe.tasks]
    if recipe.evaluate and recipe.evaluate.prompter:
        prompters.append(recipe.evaluate.prompter)
    streams = {stream for p in prompters for stream in p.component.streams()}  # type: ignore[attr-defined]
    return streams, set(encoders_of(recipe, streams))


def encoders_of(recipe: Recipe, streams: Iterable[str]) -> dict[str, ComponentRef]:
    """The encoders that streams come from, in the recipe's order."""
    needed = {encoder for stream in streams for encoder in inputs_of(recipe, stream)}
    return {name: part for name, part in recipe.encoders.items() if name in needed}


def inputs_of(recipe: Recipe, stream: str) -> tuple[str, ...]:
    """The encoders that a stream comes from: itself, a fuser's inputs, or none for a stream without input."""
    part = recipe.fusers.get(stream)
    if part is None:
        return (stream,) if stream in recipe.encoders else ()
    assert isinstance(part.component, Fuser)
    return tuple(part.component.inputs) or tuple(recipe.encoders)


class FeatureCache:
    """What gives the model its features: the table's, kept in memory up to a number of bytes."""

    def __init__(self, table: FeatureTable, limit: int = 2 << 30) -> None:
        self.table = table
        self.limit = limit
        self.held = 0
        self.features: dict[tuple[str, str, int], Features | Missing] = {}

    def __call__(self, stream: str, utterance: str, draw: int) -> Features | Missing:
        """Features of a stream, an utterance and a draw; draws are taken in turn."""
        key = (stream, utterance, draw % len(self.table.places[stream, utterance]))
        features = self.features.get(key)
        if features is None:
            features = self.table.get(*key)
            size = 0 if isinstance(features, Missing) else features.nbytes
            if self.held + size <= self.limit:
                self.held += size
                self.features[key] = features
        return features


def missing_streams(recipe: Recipe, table: FeatureTable, utterance: str, streams: set[str]) -> dict[str, str]:
    """Why the model does not see an utterance's streams, by encoder."""
    reasons = {}
    for stream in sorted(streams):
        for encoder in inputs_of(recipe, stream):
            reason = table.missing.get((encoder, utterance))
            if reason is not None:
                reasons[encoder] = reason
    return reasons
