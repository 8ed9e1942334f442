"""MELD: conversations from a television series, from its published tables and clips."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc
from merc_corpora.mending import decode, mend
from merc_corpora.mp4 import fault_of_mp4

LABELS = merc.LabelSpace(("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"))
TABLES = {"train": "train_sent_emo.csv", "dev": "dev_sent_emo.csv", "test": "test_sent_emo.csv"}
CLIPS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class MeldCorpus(merc.Corpus):
    """MELD as published: ``train_sent_emo.csv``, ``dev_sent_emo.csv`` and ``test_sent_emo.csv`` in ``root``.

    The clips are found when the published folders ``train_splits``, ``dev_splits_complete`` and
    ``output_repeated_splits_test`` stand in ``root`` or in a folder of it. A clip that is missing or broken is a
    missing modality of its utterance, counted and listed in the notes. Without any clip folder the corpus is text
    only.

    Utterances stand in the order of ``Utterance_ID``, which has gaps. Ids are ``train_dia0`` and ``train_dia0_utt3``.
    ``extra`` of an utterance keeps the sentiment, and season, episode and times where the table has them.
    """

    root: Path

    def load(self) -> merc.CorpusData:
        """Read the three tables. Raises MercError where a table is not there or cannot be read."""
        root = Path(self.root).expanduser()
        lacking = [name for name in TABLES.values() if not (root / name).is_file()]
        if lacking:
            state = f"lacks {', '.join(lacking)}" if root.is_dir() else "is not there"
            raise merc.MercError(
                f"the folder {root} {state}; 'root' of the corpus meld should be the folder with the published tables "
                f"{', '.join(TABLES.values())} of the MELD dataset (declare-lab/MELD)"
            )
        conversations: list[merc.Conversation] = []
        notes: list[str] = []
        folders = {split: _find_folder(root, name) for split, name in CLIPS.items()}
        if not any(folders.values()):
            notes.append(
                f"no clips: none of the folders {', '.join(CLIPS.values())} is in {root}, so there is only text"
            )
        for split, table in TABLES.items():
            clips = _Clips(split, root, folders[split])
            conversations += _read(root / table, split, clips, notes)
            if any(folders.values()):
                notes += clips.notes()
        return merc.CorpusData(
            conversations=conversations, labels=LABELS, notes=tuple(notes), counts=_counts(conversations)
        )


def _counts(talks: list[merc.Conversation]) -> list[merc.StatedCount]:
    """The paper of MMEVerse states 13,798 where the published tables hold 13,708; its two others are theirs."""
    sizes = {split: sum(len(talk.utterances) for talk in talks if talk.split == split) for split in TABLES}
    every, looked_at = "utterances of all splits", "utterances of the dev and test splits"
    return [
        merc.StatedCount(what=every, found=sum(sizes.values()), stated=13708, source="MELD (Poria et al., 2019)"),
        merc.StatedCount(what=every, found=sum(sizes.values()), stated=13798, source="MMEVerse, Table 1"),
        merc.StatedCount(
            what="utterances of the test split", found=sizes["test"], stated=2610, source="MMEVerse, Table 2"
        ),
        merc.StatedCount(what=looked_at, found=sizes["dev"] + sizes["test"], stated=3719, source="MMEVerse, Table 2"),
    ]


def _read(table: Path, split: str, clips: _Clips, notes: list[str]) -> list[merc.Conversation]:
    dialogues: dict[int, dict[int, merc.Utterance]] = {}
    mended = wordless = 0
    for where, row in _rows(table):
        dialogue, number = _number(row, "Dialogue_ID", where), _number(row, "Utterance_ID", where)
        text, speaker = mend(row["Utterance"]), mend(row["Speaker"])
        mended += text != row["Utterance"] or speaker != row["Speaker"]
        wordless += not text.strip()
        said = dialogues.setdefault(dialogue, {})
        if number in said:
            raise merc.MercError(
                f"{where}: utterance {number} of dialogue {dialogue} stands twice; the other: {said[number].origin}"
            )
        video, missing = clips.of(dialogue, number)
        said[number] = merc.Utterance(
            id=f"{split}_dia{dialogue}_utt{number}",
            text=text.strip(),
            speaker=speaker.strip() or None,
            label=row["Emotion"].strip().lower(),
            video=video,
            missing=missing,
            extra=_extra(row),
            origin=where,
        )
    if not dialogues:
        raise merc.MercError(f"{table} holds no utterance; get the table of the MELD dataset anew")
    if mended:
        notes.append(f"{table.name}: {mended} texts had characters of a wrong encoding, which were mended")
    if wordless:
        notes.append(f"{table.name}: {wordless} utterances have an empty text")
    return [
        merc.Conversation(
            id=f"{split}_dia{n}",
            split=split,  # type: ignore[arg-type]
            dataset="meld",
            utterances=tuple(u for _, u in sorted(said.items())),
        )
        for n, said in sorted(dialogues.items())
    ]


def _rows(table: Path) -> Iterator[tuple[str, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(decode(table.read_bytes()), newline=""))
    lacking = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if lacking:
        raise merc.MercError(
            f"{table} lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}; its first line should "
            f"name the columns of the MELD dataset's table, among them {', '.join(_COLUMNS)}"
        )
    line = reader.line_num
    try:
        for row in reader:
            where, line = f"{table}, line {line + 1}", reader.line_num
            if any(row[name] is None for name in _COLUMNS):
                raise merc.MercError(f"{where}: fewer cells than the {len(reader.fieldnames or ())} columns")
            yield where, row
    except csv.Error as error:
        raise merc.MercError(f"{table}, line {reader.line_num}: not a table of commas and quotes ({error})") from None


def _number(row: Mapping[str, str], column: str, where: str) -> int:
    try:
        return int(row[column])
    except ValueError:
        raise merc.MercError(f"{where}: {column} must be a whole number, not {row[column]!r}") from None


def _extra(row: Mapping[str, str]) -> dict[str, Any]:
    extra: dict[str, Any] = {"sentiment": row["Sentiment"].strip().lower()}
    for name, column in (("season", "Season"), ("episode", "Episode")):
        value = (row.get(column) or "").strip()
        if value:
            extra[name] = int(value) if value.isdigit() else value
    for name, column in (("start_time", "StartTime"), ("end_time", "EndTime")):
        value = (row.get(column) or "").strip()
        if value:
            extra[name] = value
    return extra


def _find_folder(root: Path, name: str) -> Path | None:
    """``root/name``, or in a folder of ``root`` (the archives unpack so)."""
    near = [root, *sorted(folder for folder in root.iterdir() if folder.name not in CLIPS.values())]
    return next((folder / name for folder in near if (folder / name).is_dir()), None)


class _Clips:
    """The clips of one split: where each is, or why it is not."""

    def __init__(self, split: str, root: Path, folder: Path | None) -> None:
        self.split = split
        self.folder = folder
        self.faults: list[str] = []
        self.there = {path.name for path in folder.iterdir()} if folder else set()
        reason = f"the clip folder {CLIPS[split]} is not in {root}"
        self.nothing = {"video": reason, "audio": reason}

    def of(self, dialogue: int, utterance: int) -> tuple[Path | None, Mapping[str, str]]:
        """The clip of an utterance, and what is missing."""
        if self.folder is None:
            return None, self.nothing
        path = self.folder / f"dia{dialogue}_utt{utterance}.mp4"
        reason = fault_of_mp4(path) if path.name in self.there else "is not there"
        if reason is None:
            return path, {}
        self.faults.append(f"{path.name} {reason}")
        said = f"the clip {path} {reason}"
        return None, {"video": said, "audio": said}

    def notes(self) -> list[str]:
        """A sentence about the split's clips, if there is something to say."""
        if self.folder is None:
            return [f"{self.split}: {self.nothing['video']}, so this split has only text"]
        if not self.faults:
            return []
        more = f", and {len(self.faults) - _SHOWN} more" if len(self.faults) > _SHOWN else ""
        count = f"{len(self.faults)} clip{'s are' if len(self.faults) > 1 else ' is'} missing or broken"
        return [f"{self.split}: {count} in {self.folder}: {', '.join(self.faults[:_SHOWN])}{more}"]
