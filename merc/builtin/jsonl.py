"""The corpus ``jsonl``: conversations from a text file, one a line, and the writer of such files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from merc.builtin.file_kinds import seems, seems_object
from merc.builtin.jsonl_fields import read_object
from merc.builtin.plain_values import Problem, load_json
from merc.builtin.records import (
    Paths,
    Records,
    check_paths,
    files_of,
    is_space,
    lacking,
    space_record,
    utterance_record,
)
from merc.components.corpus import Corpus, CorpusData, Recognised
from merc.conversation import Conversation, LabelSpace
from merc.errors import MercError
from merc.files import whole_file


@dataclass(frozen=True, kw_only=True)
class JsonlCorpus(Corpus):
    """Conversations from JSON Lines: one conversation a line, in UTF-8. Media paths in a file are relative to its
    folder. Only ``id`` and each utterance's ``text`` are required::

        {"id": "d0", "split": "train", "utterances": [
            {"id": "d0_u0", "speaker": "Mark", "text": "Why?", "label": "surprise",
             "video": "clips/d0_u0.mp4", "audio": null, "start": null, "end": null,
             "valence": -0.5, "open_labels": ["puzzled"], "values": {"arousal": 0.25, "tags": ["surprise", "fear"]},
             "cues": {"face": "..."}}]}

    (shown broken into lines; in the file it is one). ``null`` means the same as leaving a field out. An utterance
    without an id gets one from its conversation's, ``d0_u0``. Ids may begin anew in each split: then all get their
    split before them, ``train_d0``. The space around labels does not count. A conversation without ``split`` has none,
    unless ``path`` is a mapping, which then gives it. ``start`` and ``end`` are seconds within the media file; ``end``
    needs ``start``, ``start`` alone means up to the file's end. ``"cut": ["audio"]`` says that the audio file holds the
    utterance alone, so that ``start`` and ``end`` are the video's. ``"region": [0, 0, 0.5, 1]`` is the part of the
    picture that shows the speaker: left, top, right and bottom, as fractions of it. ``missing`` maps "video" or "audio"
    to the reason why it is not there. ``values`` are numbers, and several labels at once, that are true of an
    utterance, by name: what heads learn and metrics compare with; an empty list says that no label is. ``labels`` (a
    list, for sets with several at once), ``sentiment`` and ``intention`` are true of an utterance beside its ``label``;
    they come into ``extra``, where metrics find them by these names. Descriptions of a clip are ``cues``. A field that
    merc does not know is kept in ``extra`` and counted in a note, unless it looks like a misspelled one. A media file
    that is not there is no error: the utterance's ``missing`` says so, and a note counts.

    A conversation's ``dataset`` is the published set that it comes from. A line ``{"dataset": "meld", "labels":
    ["joy", ...]}`` declares the label space of a set, one without ``dataset`` that of conversations that name none
    (``labels`` may also map each label to its words); so files of several sets can be read together, each with its own
    labels. A set that declares none has the labels that its train split holds.

    A file may also hold all conversations in one JSON array. All faults of the files come in one MercError, each with
    its file and line (of an array: element, from 1).
    """

    path: Paths
    """A file, a list of files, or a mapping from a split to a file or files."""

    def __post_init__(self) -> None:
        check_paths(self.path)

    def load(self) -> CorpusData:
        """Read every file. Raises MercError with each fault's file and line."""
        records = Records()
        for file, split in files_of(self.path):
            content = _content(file)
            elements = conversations_of_array(content)
            if elements is not None:
                for number, element in enumerate(elements, start=1):
                    records.add(element, file, f"{file}, element {number}", split)
                continue
            empty = True
            for number, line in _lines(file, content):
                if empty and (what := _no_json_lines(line, content)):
                    raise MercError(f"{file} {what}; run merc corpus look {file} to see how it comes in")
                empty = False
                records.add(partial(read_object, line), file, f"{file}, line {number}", split)
            if empty:
                raise MercError(f"{file} is empty: it should hold conversations, one JSON object a line")
        return records.data()

    @classmethod
    def recognise(cls, path: Path) -> Recognised | None:
        """A file whose first line is a conversation, or that is an array of some."""
        if not path.is_file():
            return None
        content = path.read_bytes()
        elements = conversations_of_array(content)
        try:
            first = elements[0] if elements else read_object(next(text for _, text in _lines(path, content)))
        except (Problem, MercError, StopIteration):
            return None
        if not {"utterances", "id"} & set(first) or not ("utterances" in first or is_space(first)):
            return None
        form = "one JSON array" if elements else "JSON Lines"
        return Recognised(what=f"conversations in merc's own form, as {form}", parameters={"path": str(path)})


def conversations_of_array(content: bytes) -> list[dict[str, Any]] | None:
    """The conversations of a file that is one JSON array of them; ``None`` for any other file."""
    if not content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        return None
    try:
        value = load_json(content.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except (Problem, UnicodeDecodeError):
        return None
    objects = isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
    return value if objects and any("utterances" in one for one in value) else None


def write_jsonl(
    path: Path, conversations: Iterable[Conversation], spaces: Mapping[str | None, LabelSpace] | None = None
) -> None:
    """Write conversations so that ``JsonlCorpus`` reads the same ones; the file is written whole or not at all.

    ``spaces`` are label spaces by dataset, that of conversations without one by ``None``.
    Media below the file's folder get relative paths, others absolute ones.
    """
    home = path.resolve().parent
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for dataset, space in (spaces or {}).items():
            file.write(json.dumps(space_record(dataset, space), ensure_ascii=False) + "\n")
        for conversation in conversations:
            utterances = [utterance_record(u, home) for u in conversation.utterances]
            own = {"id": conversation.id, "split": conversation.split, "dataset": conversation.dataset}
            record = {**conversation.extra, **own, "utterances": utterances}
            order = (*own, *conversation.extra, "utterances")
            ordered = {key: record[key] for key in order if record[key] is not None}
            file.write(json.dumps(ordered, ensure_ascii=False, allow_nan=False) + "\n")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise lacking(file, "JSON Lines file") from None
    except OSError as error:
        raise MercError(f"{file} cannot be read: {error.strerror or error}") from None


def _lines(file: Path, content: bytes) -> Iterable[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers from 1. Only a line feed ends a line: other
    separators (U+2028, say) may stand within a text."""
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            text = line.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            if number == 1 and (what := seems(content)):
                raise MercError(f"{file} {what}; run merc corpus look {file} to see how it comes in") from None
            raise MercError(
                f"{file}, line {number}: not UTF-8 at byte {error.start + 1}; save the file in UTF-8"
            ) from None
        if text:
            yield number, text


def _no_json_lines(first: str, content: bytes) -> str | None:
    """What a file is whose first line is no object, where that is known."""
    try:
        return seems_object(read_object(first))
    except Problem:
        return seems(content)
