"""Chats for instruction tuning, as LLaMA-Factory and ms-swift are given them: questions about clips, and answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import merc
from merc_corpora.own_files import Paths, check_paths, listed_files
from merc_corpora.subtitles.reading import named
from merc_corpora.table.sheets import Layout, Row, read_sheet

USERS = frozenset({"user", "human"})
ASSISTANTS = frozenset({"assistant", "gpt", "model", "chatgpt", "bot"})
_TAGS = re.compile(r"<(?:video|image|audio|img|vid)>\s*|<\|(?:video|image|audio)[^|]*\|>\s*", re.IGNORECASE)
_LISTS = ("messages", "conversations", "conversation")
_LONG = 60


@dataclass(frozen=True, kw_only=True)
class ShareGptCorpus(merc.Corpus):
    """Chats for instruction tuning: JSON arrays or JSON Lines of objects with ``messages`` (``role``, ``content``),
    ``conversations`` (``from``, ``value``), ``conversation`` (``human``, ``assistant``) or ``query`` and ``response``,
    and lists of ``videos`` and ``audios``.

    A chat is a conversation, and each turn of the user with its answer an utterance: the words are the turn without
    the marks of media (``<video>``) and without ``question``, a name before them is the speaker, and the answer is the
    label or, with ``answers: description``, the cue ``multimodal``. The first clip is that of the first turn, and so
    on; one clip is that of all turns. Instructions of the system and what else an object has are kept in ``extra``.

    Pictures, turns without an answer, and clips beyond the turns are counted and not read. Media paths are relative to
    the file's folder, or to ``media_root``.
    """

    path: Paths
    """A file, a folder, a list of these, or a mapping from a split to any of them."""
    question: str | None = None
    """What stands in the user's turns and is no part of what was said: it is taken out."""
    answers: Literal["label", "description"] = "label"
    """What the assistant's turns are: labels, or descriptions of the clip."""
    media_root: Path | None = None
    """The folder that relative media paths begin at; null is that of the file."""

    def __post_init__(self) -> None:
        check_paths(self.path)

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A file whose objects hold turns of a user and an assistant."""
        if path.suffix.lower() not in (".json", ".jsonl", ".ndjson") or not path.is_file():
            return None
        try:
            rows = read_sheet(path, Layout()).rows
            chats = [list(_turns(row)) for row in rows[:200]]
        except merc.MercError:
            return None
        if not chats or not any(chats):
            return None
        answers = Counter(answer for chat in chats for _, answer in chat if answer)
        wordy = sum(map(len, answers)) > _LONG * max(len(answers), 1)
        question = _shared_end([ask for chat in chats for ask, _ in chat])
        parameters: dict[str, Any] = {"path": str(path), **({"question": question} if question else {})}
        details = [f"question that all turns end with: {question!r}"] if question else []
        if wordy:
            parameters["answers"] = "description"
            details.append("its answers are sentences, and so taken for descriptions")
        return merc.Recognised(
            what=f"{len(rows):,} chats for instruction tuning", parameters=parameters, details=details
        )

    def load(self) -> merc.CorpusData:
        """Read the chats. Raises MercError, naming the line or element, for what is none."""
        files, notes = listed_files(self.path, (".json", ".jsonl", ".ndjson"), "JSON files")
        records = merc.Records()
        counts: Counter[str] = Counter()
        for file, split in files:
            for number, row in enumerate(read_sheet(file, Layout()).rows):
                record = self._record(f"{file.stem}_{number}", row, counts)
                if record is not None:
                    records.add(record, file, row.where, split)
        data = records.data()
        if not data.conversations:
            raise merc.MercError(f"{files[0][0]} holds no turn of a user with an answer, so it gives no utterance")
        left_out = [f"{what}: {count}" for what, count in counts.items() if count and what != "turns"]
        if self.question and counts["turns without the question"] == counts["turns"]:
            left_out.append(f"no turn holds the question {self.question[:60]!r}; correct it")
        notes += [*left_out, *(note for note in data.notes if "kept in extra" not in note)]
        labels = Counter(u.label for talk in data.conversations for u in talk.utterances if u.label)
        if len(labels) > 50 and len(labels) > sum(labels.values()) / 2:
            count = f"{len(labels)} different labels ({merc.first_names(list(labels))})"
            notes.append(f"{count}; where answers are sentences, write answers: description")
        return merc.CorpusData(conversations=data.conversations, notes=tuple(notes))

    def _record(self, name: str, row: Row, counts: Counter[str]) -> dict[str, Any] | None:
        cells = row.cells
        turns = list(_turns(row))
        clips = {kind: _paths(cells, kind, row.where) for kind in ("videos", "audios", "images")}
        counts["pictures that are not read"] += len(clips["images"])
        utterances = []
        for turn, (question, answer) in enumerate(turns):
            counts["turns"] += 1
            if not answer:
                counts["turns without an answer, left out"] += 1
                continue
            words = _TAGS.sub("", question)
            if self.question:
                counts["turns without the question"] += self.question not in words
                words = words.replace(self.question, " ")
            words, speaker = named(words.strip(), None)
            one: dict[str, Any] = {"text": " ".join(words.split()), "speaker": speaker}
            one |= {"label": answer} if self.answers == "label" else {"cues": {"multimodal": answer}}
            for field, kind in (("video", "videos"), ("audio", "audios")):
                if media := clips[kind][turn : turn + 1] or (clips[kind] if len(clips[kind]) == 1 else []):
                    one[field] = (
                        media[0] if self.media_root is None else str(merc.user_path(self.media_root) / media[0])
                    )
            utterances.append({key: value for key, value in one.items() if value is not None})
        for kind in ("videos", "audios"):
            counts[f"{kind} beyond the turns of their chat, not read"] += max(len(clips[kind]) - len(turns), 0)
        known = (*_LISTS, "videos", "audios", "images", "id", "query", "response", "history")
        rest = {key: value for key, value in cells.items() if key not in known and value is not None}
        if system := _system(cells):
            rest["system"] = system
        if not utterances:
            counts["chats without an answer, left out"] += 1
            return None
        own = cells.get("id")
        return {
            "id": str(own) if own is not None else name,
            "utterances": utterances,
            **({"row": rest} if rest else {}),
        }


def _turns(row: Row) -> Iterator[tuple[str, str]]:
    """The user's turns, and the answer to each; empty where none is. Raises MercError for what is no chat."""
    cells = row.cells
    turns = next((cells[key] for key in _LISTS if isinstance(cells.get(key), list)), None)
    if turns is None:
        if not isinstance(cells.get("query"), str):
            raise merc.MercError(f"{row.where}: no chat; it has none of {', '.join(_LISTS)}, nor query and response")
        history = cells.get("history") or []
        yield from ((str(ask), str(answer)) for ask, answer in (pair for pair in history if len(pair) == 2))
        yield cells["query"], str(cells.get("response") or "").strip()
        return
    question: str | None = None
    for message in turns:
        if not isinstance(message, Mapping):
            raise merc.MercError(f"{row.where}: a turn of the chat is no object with its role and its words")
        if isinstance(message.get("human"), str):
            yield message["human"], str(message.get("assistant") or "").strip()
            continue
        role = str(message.get("role", message.get("from", ""))).lower()
        words = _content(message.get("content", message.get("value", "")))
        if role in USERS:
            if question is not None:
                yield question, ""
            question = words
        elif role in ASSISTANTS and question is not None:
            yield question, words.strip()
            question = None
    if question is not None:
        yield question, ""


def _content(value: Any) -> str:
    """The words of a message, which may be a list of parts."""
    if isinstance(value, list):
        return " ".join(str(part.get("text") or "") for part in value if isinstance(part, Mapping))
    return str(value or "")


def _system(cells: Mapping[str, Any]) -> str:
    """The instruction of the system; empty where there is none."""
    for key in _LISTS:
        for message in cells.get(key) or []:
            if isinstance(message, Mapping) and message.get("role", message.get("from")) == "system":
                return _content(message.get("content", message.get("value", "")))
    return ""


def _paths(cells: Mapping[str, Any], kind: str, where: str) -> list[str]:
    """The paths of a list of media, or of one."""
    paths = cells.get(kind, cells.get(kind[:-1]))
    listed = paths if isinstance(paths, list) else [] if paths in (None, "") else [paths]
    for one in listed:
        if not isinstance(one, str):
            raise merc.MercError(f"{where}: {kind} holds {type(one).__name__} where the path of a file is wanted")
    return listed


def _shared_end(questions: Sequence[str]) -> str:
    """What many turns end with, from the beginning of a sentence; empty where they share nothing, or all of it."""
    ends = Counter(_TAGS.sub("", text).strip().rpartition(". ")[2].rpartition("\n")[2].strip() for text in questions)
    end, count = ends.most_common(1)[0] if ends else ("", 0)
    whole = sum(_TAGS.sub("", text).strip() == end for text in questions)
    return end if count > 1 and count == len(questions) and len(end) > 9 and not whole else ""
