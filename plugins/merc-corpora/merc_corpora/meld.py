"""MELD: conversations from a television series, from its published tables and clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import merc
from merc_corpora.meld_clips import CLIPS, Clips
from merc_corpora.meld_table import OLD, Row, number, rows, seconds
from merc_corpora.repairs import mend
from merc_corpora.texts.files import tables_of

LABELS = merc.LabelSpace(("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"))
TABLES = {"train": "train_sent_emo.csv", "dev": "dev_sent_emo.csv", "test": "test_sent_emo.csv"}
NAMES = {split: (name, name.replace(".csv", "_dya.csv")) for split, name in TABLES.items()}
"""The table of each split by its names: MELD's own, and that of MELD_Dyadic."""


@dataclass(frozen=True, kw_only=True)
class MeldCorpus(merc.Corpus):
    """MELD as published: ``train_sent_emo.csv``, ``dev_sent_emo.csv`` and ``test_sent_emo.csv``, and the clips in the
    published folders ``train_splits``, ``dev_splits_complete`` and ``output_repeated_splits_test``.

    A clip that is missing or broken is a missing modality of its utterance, counted and listed in the notes. Without
    any clip folder the corpus is text only.

    Utterances stand in the order of ``Utterance_ID``, which has gaps. Ids are ``train_dia0`` and ``train_dia0_utt3``.
    ``extra`` of an utterance keeps the sentiment, and season, episode and times where the table has them.

    People's own tables of this form are read too: one split alone; ``;``, tabs or bars between cells; ids such as
    ``3.0``; no column ``Sentiment``; rows without an emotion, which are context and counted; with ``labels: own`` other
    emotions than MELD's. Tables of MELD_Dyadic have the names ``train_sent_emo_dya.csv`` and so on.

    Where a table has the columns ``Old_Dialogue_ID`` and ``Old_Utterance_ID``, as those of MELD_Dyadic have, clips are
    found by these. Clips that last far longer or shorter than their row says (more than twice as long and two seconds,
    or less than half as long less one) are counted and named.
    """

    root: Path
    """The folder that holds the tables, or one of them. The folders of clips are in it, or in a folder of it."""
    wrong_length: Literal["keep", "leave-out"] = "keep"
    """What is done with a clip that lasts far longer or shorter than its row says: used, or left out as missing."""
    labels: Literal["seven", "own"] = "seven"
    """The labels: MELD's ``seven``, beside which another one is a fault, or all that the tables hold, ``own``."""

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with one of the tables, or one of them."""
        names = {name for those in NAMES.values() for name in those}
        tables = sorted(names & ({path.name} if path.is_file() else {one.name for one in path.iterdir()}))
        return merc.Recognised(what=f"MELD ({', '.join(tables)})", parameters={"root": str(path)}) if tables else None

    def load(self) -> merc.CorpusData:
        """Read the tables that are there. Raises MercError where none is, or one cannot be read."""
        tables, notes = tables_of(self.root, "meld", NAMES, "declare-lab/MELD, data/MELD")
        root = next(iter(tables.values())).parent
        conversations: list[merc.Conversation] = []
        folders = {split: _find_folder(root, name) for split, name in CLIPS.items()}
        if not any(folders.values()):
            notes.append(
                f"no clips: none of the folders {', '.join(CLIPS.values())} is in {root}, so there is only text"
            )
        for split, table in tables.items():
            clips = Clips(split, root, folders[split], self.wrong_length == "leave-out")
            conversations += _read(table, split, clips, notes)
            if any(folders.values()):
                notes += clips.notes()
        labels = LABELS if self.labels == "seven" else merc.LabelSpace.found_in(conversations)
        counts = _counts(conversations) if len(tables) == len(TABLES) else []
        return merc.CorpusData(conversations=conversations, labels=labels, notes=tuple(notes), counts=counts)


def _counts(talks: list[merc.Conversation]) -> list[merc.ReportedCount]:
    """The paper of MMEVerse states 13,798 where the published tables hold 13,708; its two others are theirs."""
    sizes = {split: sum(len(talk.utterances) for talk in talks if talk.split == split) for split in TABLES}
    every, looked_at = "utterances of all splits", "utterances of the dev and test splits"
    return [
        merc.ReportedCount(what=every, found=sum(sizes.values()), reported=13708, source="MELD (Poria et al., 2019)"),
        merc.ReportedCount(what=every, found=sum(sizes.values()), reported=13798, source="MMEVerse, Table 1"),
        merc.ReportedCount(
            what="utterances of the test split", found=sizes["test"], reported=2610, source="MMEVerse, Table 2"
        ),
        merc.ReportedCount(
            what=looked_at, found=sizes["dev"] + sizes["test"], reported=3719, source="MMEVerse, Table 2"
        ),
    ]


def _read(table: Path, split: str, clips: Clips, notes: list[str]) -> list[merc.Conversation]:
    dialogues: dict[int, dict[int, merc.Utterance]] = {}
    mended = wordless = total = renumbered = 0
    unlabelled = []
    for where, row in rows(table):
        total += 1
        dialogue, turn = number(row, "Dialogue_ID", where), number(row, "Utterance_ID", where)
        text, speaker = mend(row["Utterance"]), mend(row["Speaker"])
        mended += text != row["Utterance"] or speaker != row["Speaker"]
        wordless += not text.strip()
        utterances = dialogues.setdefault(dialogue, {})
        if turn in utterances:
            raise merc.MercError(
                f"{where}: utterance {turn} of dialogue {dialogue} occurs twice; the other: {utterances[turn].origin}"
            )
        old = (number(row, OLD[0], where), number(row, OLD[1], where)) if set(OLD) <= set(row) else (dialogue, turn)
        renumbered += old != (dialogue, turn)
        if not row["Emotion"].strip():
            unlabelled.append(where)
        video, missing = clips.of(*old, seconds(row))
        utterances[turn] = merc.Utterance(
            id=f"{split}_dia{dialogue}_utt{turn}",
            text=text.strip(),
            speaker=speaker.strip() or None,
            label=mend(row["Emotion"]).strip().lower() or None,
            video=video,
            missing=missing,
            extra=_extra(row),
            origin=where,
        )
    if not dialogues:
        raise merc.MercError(f"{table} holds no utterance; get the table of the MELD dataset anew")
    if unlabelled:
        count = f"{len(unlabelled)} of {total} utterances"
        notes.append(f"{table.name}: {count} have no emotion and are context; the first: {unlabelled[0]}")
    if renumbered:
        notes.append(f"{table.name}: {renumbered} of {total} clips are found by {OLD[0]} and {OLD[1]}")
    if mended:
        notes.append(f"{table.name}: {mended} of {total} texts had characters of a wrong encoding, which were mended")
    if wordless:
        notes.append(f"{table.name}: {wordless} of {total} utterances have an empty text")
    return [
        merc.Conversation(
            id=f"{split}_dia{n}",
            split=split,  # type: ignore[arg-type]
            dataset="meld",
            utterances=tuple(u for _, u in sorted(utterances.items())),
        )
        for n, utterances in sorted(dialogues.items())
    ]


def _extra(row: Row) -> dict[str, Any]:
    extra: dict[str, Any] = (
        {"sentiment": sentiment} if (sentiment := mend(row.get("Sentiment") or "").strip().lower()) else {}
    )
    for name, column in (("season", "Season"), ("episode", "Episode")):
        value = mend(row.get(column) or "").strip()
        if value:
            extra[name] = int(value) if value.isdecimal() and len(value) < 10 else value
    for name, column in (("start_time", "StartTime"), ("end_time", "EndTime")):
        value = mend(row.get(column) or "").strip()
        if value:
            extra[name] = value
    return extra


def _find_folder(root: Path, name: str) -> Path | None:
    """``root/name``, or in a folder of ``root`` (the archives unpack so)."""
    near = [root, *sorted(folder for folder in root.iterdir() if folder.name not in CLIPS.values())]
    return next((folder / name for folder in near if (folder / name).is_dir()), None)
