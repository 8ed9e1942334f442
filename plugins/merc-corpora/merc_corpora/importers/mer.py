"""MER2023, MER2024 and OV-MERD+, of the MER challenges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import merc
from merc_corpora.importers.clips import TABLE_1, TABLE_2, Clips, Reported
from merc_corpora.importers.tables import Row, folder_of, listed, read_csv, recognised_folder

LABELS = ("neutral", "angry", "happy", "sad", "worried", "surprise")
WORDS = ("transcription-engchi-polish.csv", "subtitle_chieng.csv")
Language = Literal["english", "chinese"]


def words_of(root: Path, tables: tuple[str, ...] = WORDS) -> dict[str, Row]:
    """The row of words of each clip, by its name, from the first of the tables that is there; none where none is."""
    table = next((root / name for name in tables if (root / name).is_file()), None)
    return {} if table is None else {row.needed("name"): row for row in read_csv(table, ("name",))}


def _subtitle(words: dict[str, Row], name: str, language: Language) -> tuple[str, dict[str, str]]:
    """What is said in a clip, and the same in the other language."""
    row = words.get(name)
    if row is None:
        return "", {}
    other = ("text_zh", "chinese") if language == "english" else ("text_en", "english")
    return row.get(language), {other[0]: row.get(other[1])}


@dataclass(frozen=True, kw_only=True)
class Mer2023Corpus(merc.Corpus):
    """MER2023 (Lian et al., 2023): the folders of clips ``train`` and ``test1`` to ``test3``, and ``train-label.csv``
    to ``test3-label.csv`` with the columns ``name``, ``discrete`` and (not in test3) ``valence``.

    Words come from ``transcription-engchi-polish.csv`` (``name``, ``chinese``, ``english``) where it is there. Valence
    is as published, from -5 to 5.

    The layout is documented by the organisers' own reader (zeroQiaoba/MERTools, ``toolkit/preprocess/mer2023.py``).
    Not verified on the set itself.
    """

    root: Path
    """The folder that holds the tables and the folders of clips."""
    test: Literal["test1", "test2", "test3"] = "test1"
    """The test set that is read: ``test1`` is MER-MULTI, the one of MMEVerse, ``test2`` MER-NOISE, ``test3``
    MER-SEMI."""
    language: Language = "english"
    """The language of the words; those in the other one are kept in ``extra``."""

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with the table of MER2023's training clips."""
        return recognised_folder(path, ("train-label.csv",), "clips of MER2023")

    def load(self) -> merc.CorpusData:
        """Read both tables. Raises MercError where one is not there or not as it should be, naming the line."""
        tables = {"train": "train-label.csv", "test": f"{self.test}-label.csv"}
        root = folder_of(
            self.root, "mer2023", list(tables.values()), "the folder with train-label.csv, train and test1"
        )
        clips, words = Clips("mer2023", root), words_of(root)
        for split, table in tables.items():
            folder = "train" if split == "train" else self.test
            for row in read_csv(root / table, ("name", "discrete")):
                name = row.needed("name")
                text, extra = _subtitle(words, name, self.language)
                clips.add(
                    name, split, f"{folder}/{name}", row.where, text, extra={**extra, "part": folder},
                    label=row.needed("discrete"), valence=row.number("valence"),
                )  # fmt: skip
        reported = [Reported("clips", 3784, TABLE_1), Reported("clips of MER-MULTI", 411, TABLE_2, ("test",))]
        return clips.data(LABELS, reported if self.test == "test1" else ())


@dataclass(frozen=True, kw_only=True)
class Mer2024Corpus(merc.Corpus):
    """MER2024 (Lian et al., 2024): ``label-disdim.csv`` (``name``, ``discrete``, ``valence``) and the clips in
    ``video-labeled``, as the organisers' reader has them (zeroQiaoba/MERTools, ``toolkit/preprocess/mer2024.py``).

    The challenge gave out no labels of its test sets with the clips, so there is a test split only where a table of
    answers is named; a note says so where it is not. Its clips are looked for in ``video-unlabeled``,
    ``video-unlabeled-with-test2noise`` and ``video``. Words are as of ``mer2023``, also from
    ``transcription_merge.csv``. Not verified on the set itself.
    """

    root: Path
    """The folder that holds the table and the folders of clips."""
    answers: Path | None = None
    """A table with the columns ``name`` and ``discrete`` of MER-SEMI, which makes the test split (1,169 clips in
    MMEVerse); null for none."""
    language: Language = "english"
    """The language of the words; those in the other one are kept in ``extra``."""

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with the table of MER2024's labels."""
        return recognised_folder(path, ("label-disdim.csv",), "clips of MER2024")

    def load(self) -> merc.CorpusData:
        """Read the tables. Raises MercError where one is not there or not as it should be, naming the line."""
        root = folder_of(self.root, "mer2024", ["label-disdim.csv"], "the folder with label-disdim.csv, video-labeled")
        clips, words = Clips("mer2024", root), words_of(root, (*WORDS, "transcription_merge.csv"))
        tables = {"train": root / "label-disdim.csv"}
        if self.answers is not None:
            tables["test"] = merc.user_path(self.answers)
        places = {
            "train": ("video-labeled", "video"),
            "test": ("video-unlabeled", "video-unlabeled-with-test2noise", "video"),
        }
        for split, table in tables.items():
            for row in read_csv(table, ("name", "discrete")):
                name = row.needed("name")
                text, extra = _subtitle(words, name, self.language)
                clips.add(
                    name, split, [f"{folder}/{name}" for folder in places[split]], row.where, text, extra=extra,
                    label=row.needed("discrete"), valence=row.number("valence"),
                )  # fmt: skip
        notes = (
            [] if self.answers else ["no test split: the labels of MER-SEMI are read from a table that answers names"]
        )
        return clips.data(LABELS, [Reported("clips of MER-SEMI", 1169, TABLE_2, ("test",))], notes)


@dataclass(frozen=True, kw_only=True)
class OvMerdPlusCorpus(merc.Corpus):
    """OV-MERD+ (Lian et al., 2025): open labels of clips, all for testing: ``ovlabel.csv`` (``name``, ``openset``, a
    list), ``subtitle_eng.csv`` (``name``, ``english``) where it is there, and ``video/<name>.mp4``.

    The names of the files are those of AffectGPT's configuration (``ovmerdplus-process``); the columns are those of
    the organisers' tables of the same kind (``track2_train_ovmerd.csv``), which was not verified on the set itself. It
    has no label space.
    """

    root: Path
    """The folder that holds the tables and ``video``."""

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with the table of OV-MERD+."""
        return recognised_folder(path, ("ovlabel.csv",), "clips with open labels of OV-MERD+")

    def load(self) -> merc.CorpusData:
        """Read the tables. Raises MercError where one is not there or not as it should be, naming the line."""
        root = folder_of(self.root, "ov-merd-plus", ["ovlabel.csv"], "the folder with ovlabel.csv and video")
        clips, words = Clips("ov-merd-plus", root), words_of(root, ("subtitle_eng.csv", *WORDS))
        for row in read_csv(root / "ovlabel.csv", ("name", "openset")):
            name = row.needed("name")
            text, extra = _subtitle(words, name, "english")
            labels = listed(row["openset"])
            clips.add(name, "test", f"video/{name}", row.where, text, extra=extra, open_labels=labels)
        return clips.data(None, [Reported("clips", 532, TABLE_2)])
