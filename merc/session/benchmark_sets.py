"""The sets of a benchmark that lie in a user's folder, each read once, and what a column asks of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from merc.components import Benchmark, BenchmarkTask, Corpus, CorpusData
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.errors import MercError, did_you_mean
from merc.evaluation.metrics import known_truths
from merc.recipe.single import load_part
from merc.session.data import check_ids

READERS = {".jsonl": "merc/jsonl", ".parquet": "merc/parquet"}


@dataclass(frozen=True, kw_only=True)
class SetView:
    """A set as a column asks it: the conversations of its splits with the column's labels, the ids of the utterances of
    all splits, and notes."""

    file: Path
    conversations: Sequence[Conversation]
    labels: LabelSpace
    ids: frozenset[str] = frozenset()
    notes: Sequence[str] = ()


@dataclass
class Sets:
    """The sets of a benchmark below ``root``: a file each, in ``root`` or in a folder of the set's name, or one file of
    several sets (``Benchmark.collections``), distinguished by the dataset of each conversation."""

    root: Path
    benchmark: Benchmark
    _read: dict[Path, CorpusData] = field(default_factory=dict)

    def view(self, column: BenchmarkTask) -> SetView | None:
        """The set of a column; ``None`` where it is not there.

        Raises MercError that names the column and the file for a set that is there twice, cannot be read, or has
        labels that are no texts.
        """
        own, shared = self._file(column.corpus), self._shared(column.corpus)
        file = own or shared
        if file is None:
            return None
        try:
            return self._view(column, file, own is not None, shared)
        except MercError as error:
            raise MercError(f"{column.title} ({file}): {error}") from None

    def _view(self, column: BenchmarkTask, file: Path, own: bool, shared: Path | None) -> SetView:
        data = self._data(file)
        notes = list(data.notes)
        talks = [talk for talk in data.conversations if own or talk.dataset == column.corpus]
        if own and shared:
            notes.append(f"read from {file.name}; {shared.name} has a set of this name too")
        check_ids([talk for talk in talks if talk.utterances])
        # A benchmark's set that states no split is there to be tested on, as in any other evaluation.
        talks = [replace(talk, split=talk.split or "test") for talk in talks if talk.utterances]
        if column.truth != "label":
            talks = [replace(t, utterances=tuple(_relabelled(u, column.truth) for u in t.utterances)) for t in talks]
        declared = data.space_of(talks[0].dataset) if column.truth == "label" and talks else None
        labels = LabelSpace(column.labels) if column.labels else declared or LabelSpace.found_in(talks)
        chosen = [talk for talk in talks if talk.split in column.splits]
        if column.classes:
            labels, names = _classes(column, labels)
            chosen, left = _merged(chosen, names)
            notes += left
        ids = frozenset(one.id for talk in talks for one in talk.utterances)
        return SetView(file=file, conversations=chosen, labels=labels, ids=ids, notes=notes)

    def strays(self) -> list[str]:
        """A sentence for each file in the root that looks like a set and is none of the benchmark's."""
        known = {column.corpus for column in self.benchmark.columns()} | set(self.benchmark.collections())
        files = [p for p in sorted(self.root.iterdir()) if p.suffix in READERS and p.is_file() and p.stem not in known]
        return [
            f"{file} is no set of this benchmark, and not looked at.{did_you_mean(file.stem, known)}" for file in files
        ]

    def _file(self, name: str) -> Path | None:
        places = [folder / f"{name}{suffix}" for folder in (self.root, self.root / name) for suffix in READERS]
        there = [place for place in places if place.is_file()]
        if len(there) > 1:
            raise MercError(f"the set {name!r} is there more than once: {', '.join(map(str, there))}; keep one")
        return there[0] if there else None

    def _shared(self, corpus: str) -> Path | None:
        """The file of several sets that holds this one."""
        files = [file for name in self.benchmark.collections() if (file := self._file(name)) is not None]
        return next((f for f in files if any(t.dataset == corpus for t in self._data(f).conversations)), None)

    def _data(self, file: Path) -> CorpusData:
        if file not in self._read:
            corpus = load_part("corpus", READERS[file.suffix], {"path": str(file.absolute())}).component
            assert isinstance(corpus, Corpus)
            self._read[file] = corpus.load()
        return self._read[file]


def has(utterance: Utterance, names: Sequence[str]) -> bool:
    """Whether an utterance has all of these, by the names of ``Metric.truths``."""
    known = {"label": utterance.label, **known_truths(utterance, [name for name in names if name != "label"])}
    return all(known.get(name) is not None for name in names)


def _relabelled(utterance: Utterance, truth: str) -> Utterance:
    value = utterance.extra.get(truth)
    if value is not None and not isinstance(value, str):
        raise MercError(f"utterance {utterance.id!r}: {truth!r} is {value!r}; a text was expected")
    return replace(utterance, label=value)


def _classes(column: BenchmarkTask, labels: LabelSpace) -> tuple[LabelSpace, Mapping[str, str]]:
    """The label space of a column's classes, and the class of each label. A class is called as the first of its labels
    that the set has."""
    names: dict[str, str] = {}
    words: dict[str, tuple[str, ...]] = {}
    for group in column.classes:
        there = [label for label in group if label in labels.labels]
        if there:
            names.update(dict.fromkeys(there, there[0]))
            if there[0] in labels.words:
                words[there[0]] = labels.words[there[0]]
    if not names:
        known = ", ".join(label for group in column.classes for label in group)
        raise MercError(f"none of its labels ({', '.join(labels.labels)}) is one of {known}")
    return LabelSpace(tuple(dict.fromkeys(names.values())), words), names


def _merged(talks: Sequence[Conversation], names: Mapping[str, str]) -> tuple[list[Conversation], list[str]]:
    left = Counter(u.label for t in talks for u in t.utterances if u.label is not None and u.label not in names)
    merged = [
        replace(t, utterances=tuple(replace(u, label=names.get(u.label or "")) for u in t.utterances)) for t in talks
    ]
    if not left:
        return merged, []
    labelled = left.total() + sum(u.label is not None for t in merged for u in t.utterances)
    counts = ", ".join(f"{label} {count}" for label, count in left.most_common())
    return merged, [f"{left.total()} of {labelled} labelled utterances are of no class, and context alone: {counts}"]
