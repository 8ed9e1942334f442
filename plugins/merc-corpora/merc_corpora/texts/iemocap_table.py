"""IEMOCAP as one table, in the two forms that people pass round, beside the release where that is there."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import merc
from merc import first_names
from merc_corpora.iemocap import LABELS, check_dev, divided
from merc_corpora.iemocap_files import EMOTIONS, UNDECIDED, TranscriptLine, read_transcription
from merc_corpora.table.roles import time_of
from merc_corpora.table.sheets import Layout, Row, Sheet, read_sheet, text_of

_NAME = re.compile(r"(Ses0([1-5])[FM]_(?:impro|script)\d\d\w*?)_([FM]X?[XA-Z]?\d+)")
_WHERE = ("path", "wav_file", "file", "filename", "name", "utterance_id", "id")
_WORDS = ("transcription", "transcript", "text", "utterance", "sentence")
_LABEL = ("emotion", "label", "major_emotion")
_START, _END = ("start_time", "start"), ("end_time", "end")
_NUMBERS = {"valence": ("val", "valence", "EmoVal"), "arousal": ("act", "activation", "arousal", "EmoAct"),
            "dominance": ("dom", "dominance", "EmoDom")}  # fmt: skip
_STATED = 10039


@dataclass(frozen=True, kw_only=True)
class IemocapTableCorpus(merc.Corpus):
    """IEMOCAP's 10,039 utterances as one CSV: with ``path`` and ``emotion`` (``session``, ``method``, ``gender``,
    ``n_annotators``, ``agreement``), or with ``wav_file``, ``emotion``, ``start_time``, ``end_time``, ``val``, ``act``
    and ``dom``.

    What an utterance belongs to follows from its name (``Ses01F_impro01_F000``). Neither form has its words: they come
    from the release's transcriptions where ``root`` has these, or from a column such as ``transcription``; else texts
    are empty, and counted. Sounds are those of the release. Emotions are IEMOCAP's codes (``ang``, ``xxx``) or the
    names that ``iemocap`` gives them; utterances of another label than the chosen ones are context, and counted.
    Session 5 is the test split, and of the others' dialogues a share is drawn as dev, as for ``iemocap``.
    """

    path: Path
    """The table."""
    root: Path | None = None
    """The folder of the release (``Session1`` to ``Session5``), for sounds and words; null is that of the table."""
    labels: Literal["six", "nine", "ten"] = "six"
    """The labels that are learned, as of ``iemocap``."""
    dev: float = 0.1
    """The share of the dialogues of Sessions 1 to 4 that is drawn as dev split."""
    seed: int = 0
    """The seed of that draw."""

    def __post_init__(self) -> None:
        check_dev(self.dev)

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A table with emotions of utterances that are named as IEMOCAP's."""
        if path.suffix.lower() not in (".csv", ".parquet") or not path.is_file():
            return None
        with path.open("rb") as file:
            if file.read(4) != b"PAR1" and not _NAME.search(file.read(4000).decode("utf-8", errors="replace")):
                return None
        try:
            sheet = read_sheet(path, Layout())
        except merc.MercError:
            return None
        named = _column(sheet, _WHERE), _column(sheet, _LABEL)
        if None in named or not _NAME.search(text_of(sheet.rows[0].cells.get(named[0]))):
            return None
        return merc.Recognised(what=f"IEMOCAP as a table of {len(sheet.rows):,} rows", parameters={"path": str(path)})

    def load(self) -> merc.CorpusData:
        """Read the table, and what of the release is beside it. Raises MercError, naming the line, for what is none."""
        path = merc.user_path(self.path)
        sheet = read_sheet(path, Layout())
        where, label = _column(sheet, _WHERE), _column(sheet, _LABEL)
        if where is None or label is None:
            raise merc.MercError(
                f"{path} is no table of IEMOCAP: it lacks a column of names ({', '.join(_WHERE[:2])}) or of emotions "
                f"(emotion); its columns are {first_names(sheet.columns)}; other tables are read by the corpus table"
            )
        reading = _Reading(self, path.parent if self.root is None else merc.user_path(self.root), sheet, where, label)
        for row in sheet.rows:
            reading.add(row)
        talks = divided(reading.conversations(), self.dev, self.seed)
        count = sum(len(talk.utterances) for talk in talks)
        stated = merc.ReportedCount(
            what="utterances", found=count, reported=_STATED, source="IEMOCAP (Busso et al., 2008)"
        )
        return merc.CorpusData(
            conversations=talks,
            labels=merc.LabelSpace(LABELS[self.labels]),
            notes=tuple(reading.notes()),
            counts=[stated],
        )


class _Reading:
    """What was met so far of a table."""

    def __init__(self, corpus: IemocapTableCorpus, root: Path, sheet: Sheet, where: str, label: str) -> None:
        self.corpus, self.root, self.where, self.label = corpus, root, where, label
        self.words, self.start, self.end = (_column(sheet, names) for names in (_WORDS, _START, _END))
        self.numbers = {name: column for name, names in _NUMBERS.items() if (column := _column(sheet, names))}
        self.talks: dict[str, list[tuple[float, merc.Utterance]]] = {}
        self.transcribed: dict[str, dict[str, TranscriptLine]] = {}
        self.places: dict[str, str] = {}
        self.context: Counter[str] = Counter()
        self.silent = self.wordless = 0
        self.notes_of_sheet = sheet.notes

    def add(self, row: Row) -> None:
        match = _NAME.search(text_of(row.cells.get(self.where)))
        if match is None:
            raise merc.MercError(
                f"{row.where}: {text_of(row.cells.get(self.where))[:60]!r} holds no name of an utterance of IEMOCAP, "
                "such as Ses01F_impro01_F000"
            )
        name, dialogue, session, turn = match[0], match[1], int(match[2]), match[3]
        if name in self.places:
            raise merc.MercError(f"{row.where}: {name} occurs twice; the other: {self.places[name]}")
        self.places[name] = row.where
        line = self._transcribed(session, dialogue).get(name)
        text = text_of(row.cells.get(self.words)) if self.words else line.text if line else ""
        start = time_of(row.cells.get(self.start)) if self.start else line.start if line else None
        end = time_of(row.cells.get(self.end)) if self.end else line.end if line else None
        sound = self.root / f"Session{session}" / "sentences" / "wav" / dialogue / f"{name}.wav"
        missing = {} if sound.is_file() else {"audio": f"the sound {sound} is not there"}
        self.silent += bool(missing)
        self.wordless += not text
        values = {key: time_of(row.cells.get(column)) for key, column in self.numbers.items()}
        utterance = merc.Utterance(
            id=name, text=text, speaker=f"{'Woman' if turn[0] == 'F' else 'Man'} {session}", label=self._label(row),
            audio=None if missing else sound, missing=missing, cut=("audio",), origin=row.where,
            values={key: value for key, value in values.items() if value is not None},
            extra={"emotion": text_of(row.cells.get(self.label)),
                   **({} if start is None or end is None else {"start": start, "end": end})},
        )  # fmt: skip
        order = start if start is not None else float(len(self.places))
        self.talks.setdefault(dialogue, []).append((order, utterance))

    def conversations(self) -> list[merc.Conversation]:
        return [
            merc.Conversation(
                id=name, dataset="iemocap", extra={"session": int(name[4])},
                utterances=tuple(utterance for _, utterance in sorted(those, key=lambda pair: pair[0])),
            )
            for name, those in sorted(self.talks.items())
        ]  # fmt: skip

    def notes(self) -> list[str]:
        total = len(self.places)
        notes = list(self.notes_of_sheet)
        if self.context:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.context.items()))
            notes.append(f"{self.context.total()} of {total} utterances are context without a label: {kinds}")
        if self.wordless:
            notes.append(f"{self.wordless} of {total} utterances have no words: the table has none, and {self.root} no "
                         "transcription of them")  # fmt: skip
        if self.silent:
            notes.append(f"{self.silent} of {total} utterances have no sound in {self.root}")
        return notes

    def _label(self, row: Row) -> str | None:
        code = text_of(row.cells.get(self.label)).lower()
        label = EMOTIONS.get(code, code)
        if label in LABELS[self.corpus.labels]:
            return label
        if label not in (*EMOTIONS.values(), UNDECIDED, ""):
            known = ", ".join([*EMOTIONS, UNDECIDED])
            raise merc.MercError(f"{row.where}: the emotion {code!r} is none of {known}, nor their names")
        self.context["without a majority" if label == UNDECIDED else label or "not judged"] += 1
        return None

    def _transcribed(self, session: int, dialogue: str) -> dict[str, TranscriptLine]:
        """The lines of a dialogue's transcription, by utterance; none where the release is not there."""
        if dialogue not in self.transcribed:
            file = self.root / f"Session{session}" / "dialog" / "transcriptions" / f"{dialogue}.txt"
            lines = read_transcription(file)[0] if file.is_file() else []
            self.transcribed[dialogue] = {line.name: line for line in lines}
        return self.transcribed[dialogue]


def _column(sheet: Sheet, names: Any) -> str | None:
    lowered = {column.lower(): column for column in reversed(sheet.columns)}
    return next((lowered[name.lower()] for name in names if name.lower() in lowered), None)
