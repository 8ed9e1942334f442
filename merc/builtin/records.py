"""Conversations as plain records, the form that JSON Lines and Parquet files share: read with every fault, and made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merc.builtin.ids import ids_of_one_corpus
from merc.builtin.jsonl_fields import CONVERSATION, UTTERANCE, Fields
from merc.builtin.plain_values import Problem
from merc.components.corpus import CorpusData
from merc.conversation import SPLITS, Conversation, LabelSpace, Utterance
from merc.errors import ManyErrors, MercError, brief, did_you_mean, first_lines, first_names
from merc.files import fault_of_path, user_path

_SHOWN = 5
_FIELDS = 10

Paths = Path | list[Path] | dict[str, Path | list[Path]]
"""A file, a list of files, or a mapping from a split to a file or files."""


def check_paths(path: Paths) -> None:
    """Raise ValueError for paths that name nothing, or an unknown split."""
    if not path:
        raise ValueError("path is empty; give a file, a list of files, or a mapping from a split to files")
    if isinstance(path, Mapping):
        for split in path:
            if split not in SPLITS:
                raise ValueError(
                    f"path: unknown split {split!r}.{did_you_mean(split, SPLITS)} The splits are: {', '.join(SPLITS)}"
                )


def files_of(path: Paths) -> Iterator[tuple[Path, str | None]]:
    """Each file, and the split that it is given to."""
    groups: Iterable[tuple[str | None, Path | Sequence[Path]]]
    groups = path.items() if isinstance(path, Mapping) else [(None, path)]
    for split, names in groups:
        for name in [names] if isinstance(names, str | Path) else names:
            yield user_path(name), split


def lacking(file: Path, should_be: str) -> MercError:
    """The error for a file of conversations that is not there, or is a folder."""
    if file.is_dir():
        return MercError(f"{file} is a folder; give the {should_be} of conversations in it")
    near = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
    folder = "" if near else f" (nor is the folder {file.parent})"
    return MercError(f"the conversations file {file} is not there{folder}.{did_you_mean(file.name, near)}")


def utterance_record(utterance: Utterance, home: Path) -> dict[str, Any]:
    """An utterance as a record, fields that are empty left out; media below ``home`` get relative paths."""
    record: dict[str, Any] = {
        "id": utterance.id,
        "speaker": utterance.speaker,
        "text": utterance.text,
        "label": utterance.label,
        "video": _relative(utterance.video, home),
        "audio": _relative(utterance.audio, home),
        "start": utterance.start,
        "end": utterance.end,
        "cut": list(utterance.cut) or None,
        "region": None if utterance.region is None else list(utterance.region),
        "valence": utterance.valence,
        "open_labels": list(utterance.open_labels) or None,
        "values": {name: list(v) if isinstance(v, tuple) else v for name, v in utterance.values.items()} or None,
        "cues": dict(utterance.cues) or None,
        "missing": dict(utterance.missing) or None,
        **utterance.extra,
    }
    return {key: value for key, value in record.items() if value is not None}


def space_record(dataset: str | None, space: LabelSpace) -> dict[str, Any]:
    """A dataset's label space as a record: its labels, or a mapping from each to its words (none: itself)."""
    labels = {label: list(space.words.get(label, ())) for label in space.labels} if space.words else list(space.labels)
    return {"labels": labels} if dataset is None else {"dataset": dataset, "labels": labels}


def is_space(record: Mapping[str, Any]) -> bool:
    """Whether a record declares a label space, and is no conversation."""
    return "labels" in record and not {"id", "utterances"} & set(record)


def _relative(path: Path | None, home: Path) -> str | None:
    if path is None:
        return None
    whole = path.absolute()
    for folder in (home, home.absolute()):
        if whole.is_relative_to(folder):
            return whole.relative_to(folder).as_posix()
    whole = whole.resolve()
    return whole.relative_to(home).as_posix() if whole.is_relative_to(home) else whole.as_posix()


@dataclass
class Records:
    """Conversations put together from plain records, the objects of ``jsonl``, over all files of a corpus: every fault
    is kept until ``data``, media files are looked for, and what is counted becomes notes.

    >>> records = Records()
    >>> records.add({"id": "d0", "utterances": [{"text": "Hi."}]}, Path("talk.csv"), "talk.csv, line 2")
    >>> [utterance.id for utterance in records.data().conversations[0].utterances]
    ['d0_u0']
    """

    conversations: list[Conversation] = field(default_factory=list)
    """Those that were read without a fault."""
    errors: list[str] = field(default_factory=list)
    """The faults, each with its place."""
    unknown: Counter[str] = field(default_factory=Counter)
    """How often each field stands there that merc does not know."""
    absent: dict[str, list[str]] = field(default_factory=lambda: {"video": [], "audio": []})
    """By modality, the places that name a file which is not there, each with the reason."""
    wordless: int = 0
    """How many utterances have an empty text."""
    more: list[str] = field(default_factory=list)
    """Further notes of whoever reads the files."""
    read: int = 0
    """How many conversations were looked at."""
    faulty: int = 0
    """How many of them have a fault."""
    seen: dict[tuple[str | None, str], str] = field(default_factory=dict)
    """The place of each conversation, by split and id."""
    taken: dict[tuple[str | None, str], str] = field(default_factory=dict)
    """The place of each utterance, by split and id."""
    checked: dict[Path, str | None] = field(default_factory=dict)
    """What is wrong with each media file, ``None`` for one that is there."""
    spaces: dict[str | None, tuple[LabelSpace, str]] = field(default_factory=dict)
    """The label space that each dataset declares, with its place; ``None`` is the corpus as a whole."""

    def add(
        self,
        record: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
        file: Path,
        where: str,
        split: str | None = None,
        rows: Sequence[str] = (),
    ) -> None:
        """Read one conversation; its faults are kept.

        Args:
            record: The conversation, or what gives it and may raise Problem.
            file: The file that it stands in; relative paths of media are relative to its folder.
            where: Its place, for messages: "talk.csv, line 2".
            split: The split that the file belongs to, where the recipe says so.
            rows: The places of its utterances, where each has one of its own.
        """
        self.read += 1
        try:
            fields = dict(record() if callable(record) else record)
            if is_space(fields):
                self.read -= 1
                self._declare(fields, where)
                return
            self.conversations.append(self._conversation(fields, file, where, split, rows))
        except Problem as problem:
            self.faulty += 1
            self.errors += [f"{where}: {sentence}" for sentence in problem.sentences]

    def fault(self) -> MercError | None:
        """All faults so far as one error, and none of them are kept: ``data`` gives what was read beside them."""
        if not self.errors:
            return None
        lines = first_lines(self.errors, _SHOWN)
        count = f"{len(self.errors)} fault{'s' if len(self.errors) > 1 else ''}"
        self.errors = []
        return ManyErrors(lines, f"{count} in {self.faulty} of {max(self.read, self.faulty)} conversations")

    def data(self) -> CorpusData:
        """All that was read. Raises MercError with the faults, if there were any."""
        if (fault := self.fault()) is not None:
            raise fault
        conversations, renamed = ids_of_one_corpus(self.conversations)
        spaces = {name: space for name, (space, _) in self.spaces.items()}
        labels = spaces.pop(None, None)
        if labels is None and len({one.dataset for one in conversations}) == 1:
            labels = spaces.pop(conversations[0].dataset, None)
        own = {name: space for name, space in spaces.items() if name is not None}
        notes = (*self.more, *([renamed] if renamed else []), *self.notes())
        return CorpusData(conversations=conversations, labels=labels, spaces=own, notes=notes)

    def notes(self) -> tuple[str, ...]:
        """What is reported to the user of what was read."""
        notes = []
        if self.unknown:
            counts = [f"{brief(name)} ({count})" for name, count in sorted(self.unknown.items())]
            notes.append(f"fields that merc does not know were kept in extra: {first_names(counts, _FIELDS)}")
        total = sum(len(one.utterances) for one in self.conversations)
        for modality, places in self.absent.items():
            if places:
                subject = f"{len(places)} of {total} utterances {'names' if len(places) == 1 else 'name'}"
                notes.append(f"{subject} a file for {modality} that is not there; the first: {places[0]}")
        if self.wordless:
            have = "has" if self.wordless == 1 else "have"
            notes.append(f"{self.wordless} of {total} utterances {have} an empty text")
        return tuple(notes)

    def _declare(self, record: dict[str, Any], where: str) -> None:
        fields = Fields(record, ("dataset", "labels"))
        name, labels = fields.text("dataset"), fields.record.get("labels")
        if fields.faults:
            raise Problem(*fields.faults)
        if isinstance(labels, dict) and labels and all(map(_texts, labels.values())):
            words = {label: tuple(those) for label, those in labels.items()}
        elif labels and _texts(labels):
            words = dict.fromkeys(labels, ())
        else:
            raise Problem("'labels' must be a list of texts, or an object with a list of texts for each label")
        try:
            space = LabelSpace(tuple(labels), {label: those for label, those in words.items() if those})
        except MercError as error:
            raise Problem(f"'labels': {error}") from None
        fields.faults += [f"{key!r} means nothing beside 'labels'" for key in fields.extra()]
        other, place = self.spaces.setdefault(name, (space, where))
        if other != space:
            whose = "without a dataset" if name is None else f"of {name!r}"
            fields.faults.append(f"the labels {whose} are {', '.join(other.labels)} at {place}, and others here")
        if fields.faults:
            raise Problem(*fields.faults)

    def _conversation(
        self, record: dict[str, Any], file: Path, where: str, split: str | None, rows: Sequence[str]
    ) -> Conversation:
        fields = Fields(record, CONVERSATION)
        name = fields.text("id", required=True)
        own_split, dataset = fields.choice("split", SPLITS), fields.text("dataset")
        if split is not None and own_split not in (None, split):
            fields.faults.append(f"'split' is {own_split!r}, but the recipe's path gives this file to {split!r}")
        spoken = fields.objects("utterances")
        chosen: Any = own_split or split
        if name is not None:
            if place := _taken(self.seen, chosen, name):
                fields.faults.append(f"the conversation id {name!r} is taken already ({place})")
            self.seen.setdefault((chosen, name), where)
        extra = fields.extra()
        self.unknown.update(extra.keys())
        utterances = []
        for index, one in enumerate(spoken):
            inner = Fields(one, UTTERANCE)
            row = rows[index] if rows else where
            utterances.append(self._utterance(inner, f"{name or where}_u{index}", file, row, chosen))
            fields.faults += [f"utterance {utterances[-1].id!r}: {sentence}" for sentence in inner.faults]
        if name is None or fields.faults:
            raise Problem(*fields.faults)
        return Conversation(id=name, split=chosen, dataset=dataset, utterances=tuple(utterances), extra=extra)

    def _utterance(self, fields: Fields, default_id: str, file: Path, where: str, split: str | None) -> Utterance:
        name = fields.text("id") or default_id
        if place := _taken(self.taken, split, name):
            fields.faults.append(f"the utterance id {name!r} is taken already ({place})")
        self.taken.setdefault((split, name), where)
        text = fields.text("text", required=True, empty=True) or ""
        self.wordless += not text.strip()
        start, end = fields.number("start", least=0.0), fields.number("end", least=0.0)
        if end is not None and fields.record.get("start") is None:
            fields.faults.append("'end' needs 'start'")
        if start is not None and end is not None and end <= start:
            fields.faults.append(f"'end' ({end:g}) must be greater than 'start' ({start:g})")
        cut = fields.words("cut")
        for modality in cut:
            if modality not in ("video", "audio"):
                fields.faults.append(f"'cut' names {modality!r}; it may name 'video' and 'audio'")
        video, audio = (_beside(file, fields, modality) for modality in ("video", "audio"))
        extra = fields.extra()
        self.unknown.update(extra.keys())
        extra.update(_more_labels(fields))
        return Utterance(
            id=name,
            text=text,
            speaker=fields.text("speaker"),
            label=fields.label("label"),
            video=video,
            audio=audio,
            start=start,
            end=end,
            cut=cut,
            region=fields.region("region"),
            valence=fields.number("valence"),
            open_labels=fields.words("open_labels"),
            values=fields.values("values"),
            cues=fields.texts("cues"),
            missing=self._missing(fields, video, audio, f"{where}, utterance {name!r}"),
            extra=extra,
            origin=where,
        )

    def _missing(self, fields: Fields, video: Path | None, audio: Path | None, where: str) -> dict[str, str]:
        """Why a modality is not there: as the file says, or because the media file that it names is not."""
        missing = fields.texts("missing")
        for modality in missing:
            if modality not in ("video", "audio", "text"):
                fields.faults.append(f"'missing' has the key {modality!r}; its keys are 'video', 'audio' and 'text'")
        for modality, path in (("video", video), ("audio", audio)):
            reason = None if path is None or modality in missing else self._fault_of(path)
            if reason is not None:
                missing[modality] = reason
                self.absent[modality].append(f"{where}: {reason}")
                if modality == "video" and audio is None:
                    missing.setdefault("audio", reason)
        return missing

    def _fault_of(self, path: Path) -> str | None:
        if path not in self.checked:
            self.checked[path] = fault_of_path(path)
        return self.checked[path]


def _taken(places: Mapping[tuple[str | None, str], str], split: str | None, name: str) -> str | None:
    """Where an id stands already. Ids may begin anew in each split; without one they are unlike those of all."""
    splits = (None, *SPLITS) if split is None else (None, split)
    return next((places[one, name] for one in splits if (one, name) in places), None)


def _more_labels(fields: Fields) -> dict[str, Any]:
    """What else is true of an utterance, where the record says it: the labels of a set with several at once, the
    sentiment, the intention."""
    labels, sentiment, intention = fields.words("labels"), fields.label("sentiment"), fields.label("intention")
    more = {"labels": list(labels) or None, "sentiment": sentiment, "intention": intention}
    return {name: value for name, value in more.items() if value is not None}


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _beside(file: Path, fields: Fields, modality: str) -> Path | None:
    """The media file that a field names, as a whole path: FFmpeg takes ``00:01.mp4`` for an address."""
    name = fields.text(modality)
    try:
        if name is not None and re.match("[a-z]+://", name, re.IGNORECASE):
            raise MercError(f"{brief(name)} is an address; merc fetches no media, so give the path of a file")
        return None if name is None else (file.parent / user_path(name)).absolute()
    except MercError as error:
        fields.faults.append(f"{modality!r}: {error}")
        return None
