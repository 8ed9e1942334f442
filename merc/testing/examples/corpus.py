"""Example, a corpus: replace how it reads with your corpus's format."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import merc

COLUMNS = ("conversation", "split", "speaker", "text", "label")


@dataclass(frozen=True, kw_only=True)
class Example(merc.Corpus):
    """A table with one line per utterance, in the order in which they were spoken.

    ``path`` is a CSV file with the columns conversation, split, speaker, text and label.
    """

    path: str

    def load(self) -> merc.CorpusData:
        """Read the table. Every mistake in it names the file and the line."""
        file = Path(self.path)
        if not file.is_file():
            raise merc.MercError(f"corpus.path: there is no file {file}")
        talks: dict[str, list[merc.Utterance]] = {}
        splits: dict[str, str] = {}
        with file.open(encoding="utf-8", newline="") as lines:
            for number, row in enumerate(csv.DictReader(lines), start=2):
                missing = [column for column in COLUMNS if not row.get(column)]
                if missing:
                    raise merc.MercError(f"{file}, line {number}: no {' and no '.join(missing)}")
                utterances = talks.setdefault(row["conversation"], [])
                splits[row["conversation"]] = row["split"]
                name = f"{row['conversation']}_u{len(utterances)}"
                utterances.append(merc.Utterance(id=name, speaker=row["speaker"], text=row["text"], label=row["label"]))
        return merc.CorpusData(
            conversations=[self._talk(name, splits[name], utterances) for name, utterances in talks.items()]
        )

    def _talk(self, name: str, split: str, utterances: list[merc.Utterance]) -> merc.Conversation:
        if split not in ("train", "dev", "test"):
            raise merc.MercError(f"{self.path}: conversation {name!r} is of split {split!r}; write train, dev or test")
        return merc.Conversation(id=name, split=split, utterances=tuple(utterances))  # type: ignore[arg-type]
