"""Lists of clips as Emotion-LLaMA is trained from: one line per clip, with its name and its label between spaces."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc
from merc import first_names
from merc_corpora.importers.tables import read_csv
from merc_corpora.own_files import Paths, check_paths, listed_files
from merc_corpora.text_files import read_text

_LINE = re.compile(r"(\S+)\s+(-?\d+(?:\.\d+)?)\s+([^\s\d]\S*)(?:\s+(-?\d+(?:\.\d+)?))?")
_NONE = -10.0
_WORDS = ("sentence", "english", "chinese", "text", "transcription")


@dataclass(frozen=True, kw_only=True)
class ClipListCorpus(merc.Corpus):
    """Lists of clips such as ``relative_test3_NCEV.txt``, which Emotion-LLaMA is trained from: in each line the clip's
    name, a number (of frames), its label and, in some, a valence, between spaces.

    A clip is a conversation of one utterance. The number is kept in ``extra`` as ``number``; a valence of -10 is none,
    and others become ``valence``, as they stand. Words come from ``words``, a table with the columns ``name`` and
    ``sentence`` (or ``english``, ``chinese``, ``text``); clips that it does not have are counted, and so are those
    whose file is not in ``clips``.

    The layout is that of the lines that Emotion-LLaMA's reader takes apart (ZebangCheng/Emotion-LLaMA); what its two
    numbers mean is not documented there.
    """

    path: Paths
    """A list, several, or a mapping from a split to one or several."""
    clips: Path | None = None
    """The folder that holds the clips, by their names; null is that of the list."""
    words: Path | None = None
    """The table of words; without one texts are empty."""

    def __post_init__(self) -> None:
        check_paths(self.path)

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A text file whose first lines are such ones."""
        if path.suffix.lower() != ".txt" or not path.is_file():
            return None
        with path.open("rb") as file:
            lines = file.read(4000).decode("utf-8", errors="replace").split("\n")
        some = [line.strip() for line in lines[:5] if line.strip()]
        if not some or not all(map(_LINE.fullmatch, some[: max(len(some) - 1, 1)])):
            return None
        return merc.Recognised(what="a list of clips with labels, as of Emotion-LLaMA", parameters={"path": str(path)})

    def load(self) -> merc.CorpusData:
        """Read the lists. Raises MercError, naming the line, for one that is none."""
        files, notes = listed_files(self.path, (".txt",), "lists of clips")
        words = self._words()
        records = merc.Records()
        lacking: Counter[str] = Counter()
        total = 0
        for file, split in files:
            folder = file.parent if self.clips is None else merc.user_path(self.clips)
            there = {one.name.lower(): one for one in folder.iterdir()} if folder.is_dir() else {}
            for number, line in enumerate(read_text(file).split("\n"), start=1):
                if not line.strip():
                    continue
                total += 1
                where = f"{file}, line {number}"
                record = _record(line.strip(), where)
                name = record["id"]
                names = (f"{name}{end}".lower() for end in merc.VIDEO_ENDINGS)
                clip = next((there[one] for one in names if one in there), None)
                reason = f"no clip {name}{merc.VIDEO_ENDINGS[0]} in {folder}"
                media = (
                    {"missing": {"video": reason, "audio": reason}} if clip is None else {"video": str(clip.absolute())}
                )
                lacking["clips"] += clip is None
                lacking["words"] += name not in words
                record_with_words = {**record, **media, "text": words.get(name, "")}
                records.add({"id": name, "utterances": [record_with_words]}, file, where, split)
        data = records.data()
        if lacking["clips"]:
            notes.append(f"{lacking['clips']} of {total} clips are not there (clips names their folder)")
        if lacking["words"]:
            notes.append(f"{lacking['words']} of {total} clips have no words (words names their table)")
        return merc.CorpusData(conversations=data.conversations, notes=tuple(notes))

    def _words(self) -> dict[str, str]:
        if self.words is None:
            return {}
        rows = list(read_csv(merc.user_path(self.words), ("name",)))
        column = next((name for name in _WORDS if name in rows[0].cells), None)
        if column is None:
            raise merc.MercError(
                f"{self.words} lacks a column of words ({', '.join(_WORDS)}); it has {first_names(list(rows[0].cells))}"
            )
        return {row.needed("name"): row[column] for row in rows}


def _record(line: str, where: str) -> dict[str, Any]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise merc.MercError(
            f"{where}: {line[:60]!r} is no line of a name, a number, a label and perhaps a number, between spaces"
        )
    name, number, label, valence = match.groups()
    record: dict[str, Any] = {"id": name, "label": label.lower(), "number": float(number)}
    if valence is not None and float(valence) != _NONE:
        record["valence"] = float(valence)
    return record
