"""The corpus ``jsonl``: conversations from a text file, one a line, and the writer of such files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merc.builtin.jsonl_fields import CONVERSATION, UTTERANCE, Fields, Problem, read_object
from merc.components.corpus import Corpus, CorpusData
from merc.conversation import SPLITS, Conversation, Utterance
from merc.errors import ManyErrors, MercError, did_you_mean
from merc.files import whole_file

_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class JsonlCorpus(Corpus):
    """Conversations from JSON Lines: one conversation a line, in UTF-8.

    ``path`` is a file, a list of files, or a mapping from a split to a file or files. Media paths in a file are
    relative to its folder. Only ``id`` and each utterance's ``text`` are required::

        {"id": "d0", "split": "train", "utterances": [
            {"id": "d0_u0", "speaker": "Mark", "text": "Why?", "label": "surprise",
             "video": "clips/d0_u0.mp4", "audio": null, "start": null, "end": null,
             "valence": -0.5, "open_labels": ["puzzled"], "cues": {"face": "..."}}]}

    (shown broken into lines; in the file it is one). ``null`` means the same as leaving a field out. An utterance
    without an id gets one from its conversation's, ``d0_u0``. A conversation without ``split`` has none, unless
    ``path`` is a mapping, which then gives it. ``start`` and ``end`` are seconds within the media file; ``end`` needs
    ``start``, ``start`` alone means up to the file's end. ``"cut": ["audio"]`` says that the audio file holds the
    utterance alone, so that ``start`` and ``end`` are the video's. ``"region": [0, 0, 0.5, 1]`` is the part of the
    picture that shows the speaker: left, top, right and bottom, as fractions of it. ``missing`` maps "video" or "audio"
    to the reason why it is not there. A field that merc does not know is kept in ``extra`` and counted in a note,
    unless it looks like a misspelled one. A media file that is not there is no error: the utterance's ``missing`` says
    so, and a note counts.

    All faults of the files come in one MercError, each with its file and line.
    """

    path: Path | list[Path] | dict[str, Path | list[Path]]

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path is empty; give a file, a list of files, or a mapping from a split to files")
        if isinstance(self.path, Mapping):
            for split in self.path:
                if split not in SPLITS:
                    raise ValueError(
                        f"path: unknown split {split!r}.{did_you_mean(split, SPLITS)} The splits are: "
                        f"{', '.join(SPLITS)}"
                    )

    def load(self) -> CorpusData:
        """Read every file. Raises MercError with each fault's file and line."""
        reading = _Reading()
        for file, split in _files(self.path):
            reading.read(file, split)
        if reading.errors:
            shown = reading.errors[:_SHOWN]
            if len(reading.errors) > _SHOWN:
                shown.append(f"and {len(reading.errors) - _SHOWN} more")
            count = f"{len(reading.errors)} fault{'s' if len(reading.errors) > 1 else ''}"
            raise ManyErrors(shown, f"{count} in the conversations")
        return CorpusData(conversations=reading.conversations, notes=reading.notes())


def write_jsonl(path: Path, conversations: Iterable[Conversation]) -> None:
    """Write conversations so that ``JsonlCorpus`` reads the same ones; the file is written whole or not at all.

    Media below the file's folder get relative paths, others absolute ones.
    """
    home = path.resolve().parent
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for conversation in conversations:
            said = [_utterance_record(u, home) for u in conversation.utterances]
            record = {**conversation.extra, "id": conversation.id, "split": conversation.split, "utterances": said}
            order = ("id", "split", *conversation.extra, "utterances")
            ordered = {key: record[key] for key in order if record[key] is not None}
            file.write(json.dumps(ordered, ensure_ascii=False, allow_nan=False) + "\n")


def _utterance_record(said: Utterance, home: Path) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": said.id,
        "speaker": said.speaker,
        "text": said.text,
        "label": said.label,
        "video": _relative(said.video, home),
        "audio": _relative(said.audio, home),
        "start": said.start,
        "end": said.end,
        "cut": list(said.cut) or None,
        "region": None if said.region is None else list(said.region),
        "valence": said.valence,
        "open_labels": list(said.open_labels) or None,
        "cues": dict(said.cues) or None,
        "missing": dict(said.missing) or None,
        **said.extra,
    }
    return {key: value for key, value in record.items() if value is not None}


def _relative(path: Path | None, home: Path) -> str | None:
    if path is None:
        return None
    whole = path.absolute()
    for folder in (home, home.absolute()):
        if whole.is_relative_to(folder):
            return whole.relative_to(folder).as_posix()
    whole = whole.resolve()
    return whole.relative_to(home).as_posix() if whole.is_relative_to(home) else whole.as_posix()


def _files(path: Path | Sequence[Path] | Mapping[str, Path | Sequence[Path]]) -> Iterable[tuple[Path, str | None]]:
    groups: Iterable[tuple[str | None, Path | Sequence[Path]]]
    groups = path.items() if isinstance(path, Mapping) else [(None, path)]
    for split, names in groups:
        for name in [names] if isinstance(names, str | Path) else names:
            yield Path(name).expanduser(), split


@dataclass
class _Reading:
    """What was found so far, over all files."""

    conversations: list[Conversation] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    absent: dict[str, list[str]] = field(default_factory=lambda: {"video": [], "audio": []})
    wordless: int = 0
    seen: dict[str, str] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    checked: dict[Path, str | None] = field(default_factory=dict)

    def read(self, file: Path, split: str | None) -> None:
        """Read one file, adding to what was found."""
        empty = True
        for number, line in _lines(file):
            empty = False
            where = f"{file}, line {number}"
            try:
                self.conversations.append(self._conversation(read_object(line), file, where, split))
            except Problem as problem:
                self.errors += [f"{where}: {sentence}" for sentence in problem.sentences]
        if empty:
            raise MercError(f"{file} is empty: it should hold conversations, one JSON object a line")

    def notes(self) -> tuple[str, ...]:
        """What the user is told of what was read."""
        notes = []
        if self.unknown:
            counts = ", ".join(f"{name} ({count})" for name, count in sorted(self.unknown.items()))
            notes.append(f"fields that merc does not know were kept in extra: {counts}")
        for modality, places in self.absent.items():
            if places:
                verb = "names" if len(places) == 1 else "name"
                said = f"{len(places)} utterance{'' if len(places) == 1 else 's'} {verb}"
                notes.append(f"{said} a file for {modality} that is not there; the first: {places[0]}")
        if self.wordless:
            notes.append(f"{self.wordless} utterance{'s have' if self.wordless > 1 else ' has'} an empty text")
        return tuple(notes)

    def _conversation(self, record: dict[str, Any], file: Path, where: str, split: str | None) -> Conversation:
        fields = Fields(record, CONVERSATION)
        name = fields.text("id", required=True)
        own_split = fields.choice("split", SPLITS)
        if split is not None and own_split not in (None, split):
            fields.faults.append(f"'split' is {own_split!r}, but the recipe's path gives this file to {split!r}")
        said = fields.objects("utterances")
        if name is not None:
            if name in self.seen:
                fields.faults.append(f"the conversation id {name!r} is taken already ({self.seen[name]})")
            self.seen.setdefault(name, where)
        extra = fields.extra()
        self.unknown.update(extra.keys())
        utterances = []
        for index, one in enumerate(said):
            inner = Fields(one, UTTERANCE)
            utterances.append(self._utterance(inner, f"{name or where}_u{index}", file, where))
            fields.faults += [f"utterance {utterances[-1].id!r}: {sentence}" for sentence in inner.faults]
        if name is None or fields.faults:
            raise Problem(*fields.faults)
        chosen: Any = own_split or split
        return Conversation(id=name, split=chosen, utterances=tuple(utterances), extra=extra)

    def _utterance(self, fields: Fields, default_id: str, file: Path, where: str) -> Utterance:
        name = fields.text("id") or default_id
        if name in self.taken:
            fields.faults.append(f"the utterance id {name!r} is taken already ({self.taken[name]})")
        self.taken.setdefault(name, where)
        text = fields.text("text", required=True, empty=True) or ""
        self.wordless += not text.strip()
        start, end = fields.number("start", least=0.0), fields.number("end", least=0.0)
        if end is not None and start is None:
            fields.faults.append("'end' needs 'start'")
        if start is not None and end is not None and end <= start:
            fields.faults.append(f"'end' ({end:g}) must be greater than 'start' ({start:g})")
        cut = fields.words("cut")
        for modality in cut:
            if modality not in ("video", "audio"):
                fields.faults.append(f"'cut' names {modality!r}; it may name 'video' and 'audio'")
        video, audio = (_beside(file, fields.text(modality)) for modality in ("video", "audio"))
        extra = fields.extra()
        self.unknown.update(extra.keys())
        return Utterance(
            id=name,
            text=text,
            speaker=fields.text("speaker"),
            label=fields.text("label"),
            video=video,
            audio=audio,
            start=start,
            end=end,
            cut=cut,
            region=fields.region("region"),
            valence=fields.number("valence"),
            open_labels=fields.words("open_labels"),
            cues=fields.texts("cues"),
            missing=self._missing(fields, video, audio, f"{where}, utterance {name!r}"),
            extra=extra,
            origin=where,
        )

    def _missing(self, fields: Fields, video: Path | None, audio: Path | None, where: str) -> dict[str, str]:
        """Why a modality is not there: as the file says, or because the media file that it names is not."""
        missing = fields.texts("missing")
        for modality in missing:
            if modality not in ("video", "audio"):
                fields.faults.append(f"'missing' has the key {modality!r}; its keys are 'video' and 'audio'")
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
            is_there = path.is_file()
            self.checked[path] = None if is_there else f"{path} {'is a folder' if path.is_dir() else 'is not there'}"
        return self.checked[path]


def _beside(file: Path, name: str | None) -> Path | None:
    return None if name is None else file.parent / Path(name).expanduser()


def _lines(file: Path) -> Iterable[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers from 1. Only a line feed ends a line: other
    separators (U+2028, say) may stand within a text."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        near = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        folder = "" if near else f" (nor is the folder {file.parent})"
        raise MercError(f"the conversations file {file} is not there{folder}.{did_you_mean(file.name, near)}") from None
    except IsADirectoryError:
        raise MercError(f"{file} is a folder; give the JSON Lines file of conversations in it") from None
    except OSError as error:
        raise MercError(f"{file} cannot be read: {error.strerror or error}") from None
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            text = line.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise MercError(
                f"{file}, line {number}: not UTF-8 at byte {error.start + 1}; save the file in UTF-8"
            ) from None
        if text:
            yield number, text
