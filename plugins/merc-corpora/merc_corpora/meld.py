"""MELD: conversations from a television series, from its published tables and clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import merc
from merc_corpora.meld_clips import CLIPS, Clips
from merc_corpora.meld_table import OLD, Row, check_labels, number, rows, seconds
from merc_corpora.repairs import mend

LABELS = merc.LabelSpace(("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"))
TABLES = {"train": "train_sent_emo.csv", "dev": "dev_sent_emo.csv", "test": "test_sent_emo.csv"}


@dataclass(frozen=True, kw_only=True)
class MeldCorpus(merc.Corpus):
    """MELD as published: ``train_sent_emo.csv``, ``dev_sent_emo.csv`` and ``test_sent_emo.csv``, and the clips in the
    published folders ``train_splits``, ``dev_splits_complete`` and ``output_repeated_splits_test``.

    A clip that is missing or broken is a missing modality of its utterance, counted and listed in the notes. Without
    any clip folder the corpus is text only.

    Utterances stand in the order of ``Utterance_ID``, which has gaps. Ids are ``train_dia0`` and ``train_dia0_utt3``.
    ``extra`` of an utterance keeps the sentiment, and season, episode and times where the table has them.

    Where a table has the columns ``Old_Dialogue_ID`` and ``Old_Utterance_ID``, as those of MELD_Dyadic have, clips are
    found by these. Clips that last far longer or shorter than their row says (more than twice as long and two seconds,
    or less than half as long less one) are counted and named.
    """

    root: Path
    """The folder that holds the tables. The folders of clips are in it, or in a folder of it."""
    wrong_length: Literal["keep", "leave-out"] = "keep"
    """What is done with a clip that lasts far longer or shorter than its row says: used, or left out as missing."""

    def load(self) -> merc.CorpusData:
        """Read the three tables. Raises MercError where a table is not there or cannot be read."""
        root = merc.user_path(self.root)
        lacking = [name for name in TABLES.values() if not (root / name).is_file()]
        if lacking:
            state = f"lacks {', '.join(lacking)}" if root.is_dir() else "is not there"
            raise merc.MercError(
                f"the folder {root} {state}; 'root' of the corpus meld should be the folder with the published tables "
                f"{', '.join(TABLES.values())} of the MELD dataset (declare-lab/MELD), all three of them; other tables "
                "can be written as JSON Lines (corpus jsonl), each split a file"
            )
        conversations: list[merc.Conversation] = []
        notes: list[str] = []
        folders = {split: _find_folder(root, name) for split, name in CLIPS.items()}
        if not any(folders.values()):
            notes.append(
                f"no clips: none of the folders {', '.join(CLIPS.values())} is in {root}, so there is only text"
            )
        for split, table in TABLES.items():
            clips = Clips(split, root, folders[split], self.wrong_length == "leave-out")
            conversations += _read(root / table, split, clips, notes)
            if any(folders.values()):
                notes += clips.notes()
        return merc.CorpusData(
            conversations=conversations, labels=LABELS, notes=tuple(notes), counts=_counts(conversations)
        )


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
            label=mend(row["Emotion"]).strip().lower(),
            video=video,
            missing=missing,
            extra=_extra(row),
            origin=where,
        )
    if not dialogues:
        raise merc.MercError(f"{table} holds no utterance; get the table of the MELD dataset anew")
    check_labels(table, unlabelled, total)
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
    extra: dict[str, Any] = {"sentiment": sentiment} if (sentiment := mend(row["Sentiment"]).strip().lower()) else {}
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
