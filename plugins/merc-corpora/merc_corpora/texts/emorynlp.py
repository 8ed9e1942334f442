"""EmoryNLP: scenes of a television series, from the tables in MELD's repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc
from merc_corpora.importers.tables import listed
from merc_corpora.meld_table import number, rows
from merc_corpora.repairs import mend
from merc_corpora.texts.files import stated, tables_of

LABELS = ("joyful", "mad", "neutral", "peaceful", "powerful", "sad", "scared")
TABLES = {split: (f"emorynlp_{split}_final.csv",) for split in ("train", "dev", "test")}
COLUMNS = ("Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode")
COUNTS = {"train": 9934, "dev": 1344, "test": 1328}


@dataclass(frozen=True, kw_only=True)
class EmoryNlpCorpus(merc.Corpus):
    """EmoryNLP (Zahiri and Choi, 2018): ``emorynlp_train_final.csv``, ``emorynlp_dev_final.csv`` and
    ``emorynlp_test_final.csv`` as MELD's repository passes them on, all of them or some.

    A conversation is a scene, whose number begins anew in each episode: ``s01_e04_c02``; utterances stand in the order
    of ``Utterance_ID``, which has gaps. A speaker of several people is all their names. Labels are in small letters.
    ``extra`` keeps season, episode and the times in the episode, of which no film is passed on.

    The layout was looked at in declare-lab/MELD. An utterance without an emotion is context, and counted.
    """

    root: Path
    """The folder that holds the tables, or one of them."""

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with one of the tables, or one of them."""
        names = {name for those in TABLES.values() for name in those}
        here = {path.name} if path.is_file() else {one.name for one in path.iterdir()}
        files = sorted(names & here)
        return merc.Recognised(what=f"EmoryNLP ({', '.join(files)})", parameters={"root": str(path)}) if files else None

    def load(self) -> merc.CorpusData:
        """Read the tables. Raises MercError where none is there, naming the line of what is not as published."""
        tables, notes = tables_of(self.root, "emorynlp", TABLES, "declare-lab/MELD, data/emorynlp")
        talks: list[merc.Conversation] = []
        for split, table in tables.items():
            talks += _scenes(table, split, notes)
        space = merc.LabelSpace(LABELS)
        counts = stated(talks, COUNTS, "EmoryNLP (Zahiri and Choi, 2018)")
        return merc.CorpusData(conversations=talks, labels=space, notes=tuple(notes), counts=counts)


def _scenes(table: Path, split: str, notes: list[str]) -> list[merc.Conversation]:
    scenes: dict[str, dict[int, merc.Utterance]] = {}
    total = unlabelled = 0
    for where, row in rows(table, COLUMNS, "EmoryNLP"):
        total += 1
        season, episode, scene = (number(row, name, where) for name in ("Season", "Episode", "Scene_ID"))
        turn = number(row, "Utterance_ID", where)
        name = f"s{season:02}_e{episode:02}_c{scene:02}"
        utterances = scenes.setdefault(name, {})
        if turn in utterances:
            raise merc.MercError(
                f"{where}: utterance {turn} of {name} occurs twice; the other: {utterances[turn].origin}"
            )
        label = mend(row["Emotion"]).strip().lower() or None
        unlabelled += label is None
        utterances[turn] = merc.Utterance(
            id=f"{name}_u{turn:03}", text=mend(row["Utterance"]).strip(), label=label, origin=where,
            speaker=", ".join(listed(mend(row["Speaker"]))) or None, extra=_extra(row),
        )  # fmt: skip
    if not scenes:
        raise merc.MercError(f"{table} holds no utterance; get it anew")
    if unlabelled:
        notes.append(f"{table.name}: {unlabelled} of {total} utterances have no emotion and are context")
    return [
        merc.Conversation(
            id=name, split=split, dataset="emorynlp", utterances=tuple(one for _, one in sorted(those.items()))
        )  # type: ignore[arg-type]
        for name, those in scenes.items()
    ]


def _extra(row: Any) -> dict[str, Any]:
    names = {"season": "Season", "episode": "Episode", "start_time": "Start_Time", "end_time": "End_Time"}
    return {name: row[column].strip() for name, column in names.items() if (row.get(column) or "").strip()}
