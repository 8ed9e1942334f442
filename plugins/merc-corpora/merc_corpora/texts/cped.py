"""CPED: Chinese dialogues of television plays, from its published tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc
from merc_corpora.importers.tables import read_csv
from merc_corpora.texts.files import stated, tables_of

LABELS = (
    "happy", "grateful", "relaxed", "positive-other", "neutral", "anger", "sadness", "fear", "depress", "disgust",
    "astonished", "worried", "negative-other",
)  # fmt: skip
TABLES = {"train": ("train_split.csv",), "dev": ("valid_split.csv",), "test": ("test_split.csv",)}
COLUMNS = ("Dialogue_ID", "Utterance_ID", "Speaker", "Sentiment", "Emotion", "DA", "Utterance")
COUNTS = {"train": 94187, "dev": 11137, "test": 27438}
_KEPT = {
    "tv": "TV_ID", "gender": "Gender", "age": "Age", "neuroticism": "Neuroticism", "extraversion": "Extraversion",
    "openness": "Openness", "agreeableness": "Agreeableness", "conscientiousness": "Conscientiousness",
    "scene": "Scene", "dialogue_act": "DA",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CpedCorpus(merc.Corpus):
    """CPED (Chen et al., 2022): ``train_split.csv``, ``valid_split.csv`` and ``test_split.csv``, all or some.

    Thirteen emotions by the names of the tables (``depress``, ``positive-other``), the sentiment, and in ``extra`` the
    dialogue act, the scene, and the speaker's gender, age and personality. Films are not passed on, so it is text
    alone. Utterances without an emotion are context, and counted.

    The layout was looked at in scutcyr/CPED, ``data/CPED``.
    """

    root: Path
    """The folder that holds the tables, or one of them."""

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with one of the tables, or one of them, with its columns."""
        files = [path] if path.is_file() else [path / name for those in TABLES.values() for name in those]
        for file in files:
            if file.name in {name for those in TABLES.values() for name in those} and file.is_file():
                with file.open("rb") as opened:
                    head = opened.readline(2000).decode("utf-8", errors="replace")
                if {"Dialogue_ID", "Emotion", "DA"} <= {name.strip() for name in head.split(",")}:
                    return merc.Recognised(what="CPED's tables", parameters={"root": str(path)})
        return None

    def load(self) -> merc.CorpusData:
        """Read the tables. Raises MercError where none is there, naming the line of what is not as published."""
        tables, notes = tables_of(self.root, "cped", TABLES, "scutcyr/CPED, data/CPED")
        talks: dict[tuple[str, str], list[merc.Utterance]] = {}
        total = unlabelled = 0
        for split, table in tables.items():
            for row in read_csv(table, COLUMNS):
                total += 1
                label = row["Emotion"].lower() or None
                unlabelled += label is None
                talks.setdefault((split, row.needed("Dialogue_ID")), []).append(
                    merc.Utterance(
                        id=row.needed("Utterance_ID"), text=row["Utterance"], speaker=row["Speaker"] or None,
                        label=label, extra=_extra(row), origin=row.where,
                    )
                )  # fmt: skip
        if unlabelled:
            notes.append(f"{unlabelled} of {total} utterances have no emotion and are context")
        conversations = [
            merc.Conversation(id=name, split=split, dataset="cped", utterances=tuple(those))  # type: ignore[arg-type]
            for (split, name), those in talks.items()
        ]
        counts = stated(conversations, COUNTS, "CPED (Chen et al., 2022)")
        return merc.CorpusData(
            conversations=conversations, labels=merc.LabelSpace(LABELS), notes=tuple(notes), counts=counts
        )


def _extra(row: Any) -> dict[str, Any]:
    values = {"sentiment": row["Sentiment"].lower(), **{name: row.get(column) for name, column in _KEPT.items()}}
    return {name: value for name, value in values.items() if value}
