"""CAER and DFEW: emotions in films and series, without words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import merc
from merc_corpora.importers.clips import SPLITS, TABLE_1, TABLE_2, Clips, Reported
from merc_corpora.importers.tables import folder_of, read_csv

CAER_LABELS = ("anger", "disgust", "fear", "happy", "neutral", "sad", "surprise")
DFEW_LABELS = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
"""Those that the numbers 1 to 7 of DFEW's tables stand for."""


@dataclass(frozen=True, kw_only=True)
class CaerCorpus(merc.Corpus):
    """CAER (Lee et al., 2019): the folders ``train``, ``validation`` and ``test``, in each a folder for each emotion
    (``Anger``, ``Disgust``, ``Fear``, ``Happy``, ``Neutral``, ``Sad``, ``Surprise``) with clips such as ``0001.avi``. A
    clip's id is ``test_Anger_0001``.

    The set comes without words; what is said is left empty. The layout is the one that the set's readers use
    (``CAER/train/Anger/0001.avi``). Not verified on the set itself.
    """

    root: Path
    """The folder that holds ``train``, ``validation`` and ``test``."""

    def load(self) -> merc.CorpusData:
        """List the folders. Raises MercError where one is not there, or is of no emotion."""
        root = folder_of(
            self.root, "caer", ["train", "validation", "test"], "the folder CAER with train and test in it"
        )
        clips = Clips("caer", root)
        for split in ("train", "validation", "test"):
            folders = sorted(path for path in (root / split).iterdir() if path.is_dir() and path.name[0] != ".")
            for folder in folders:
                if folder.name.lower() not in CAER_LABELS:
                    raise merc.MercError(f"{folder}: no emotion of CAER; its folders are {', '.join(CAER_LABELS)}")
                for path in sorted(folder.iterdir()):
                    if path.suffix.lower() in merc.VIDEO_ENDINGS and path.name[0] != ".":
                        name, place = f"{split}_{folder.name}_{path.stem}", f"{split}/{folder.name}/{path.stem}"
                        clips.add(name, SPLITS[split], place, str(path), label=folder.name.lower())
        reported = [
            Reported("clips", 13175, TABLE_1),
            Reported("clips of the dev and test splits", 3953, TABLE_2, ("dev", "test")),
        ]
        return clips.data(CAER_LABELS, reported)


@dataclass(frozen=True, kw_only=True)
class DfewCorpus(merc.Corpus):
    """DFEW (Jiang et al., 2020), its clips of one emotion, in the authors' five folds.

    It holds ``EmoLabel_DataSplit/train(single-labeled)/set_1.csv`` to ``set_5.csv`` and the same under
    ``test(single-labeled)``, with the columns ``video_name`` and ``label`` (1 happy, 2 sad, 3 neutral, 4 angry, 5
    surprise, 6 disgust, 7 fear), and the clips ``Clip/original/1.mp4`` to ``16372.mp4``.

    The set comes without words; what is said is left empty. The numbers are documented by jiangxingxun/DFEW, the
    folders by the set's readers. Not verified on the set itself.
    """

    root: Path
    """The folder that holds ``EmoLabel_DataSplit`` and ``Clip``."""
    fold: Literal[1, 2, 3, 4, 5] = 1
    """The fold that is read; MMEVerse tests on 1."""

    def load(self) -> merc.CorpusData:
        """Read the fold's tables. Raises MercError where one is not there or not as it should be, naming the line."""
        tables = {
            split: f"EmoLabel_DataSplit/{split}(single-labeled)/set_{self.fold}.csv" for split in ("train", "test")
        }
        root = folder_of(self.root, "dfew", list(tables.values()), "the folder DFEW with EmoLabel_DataSplit in it")
        clips = Clips("dfew", root / "Clip" / "original")
        numbers = {str(i): one for i, one in enumerate(DFEW_LABELS, start=1)}
        for split, table in tables.items():
            for row in read_csv(root / table, ("video_name", "label")):
                name = row.numeral("video_name").lstrip("0") or "0"
                clips.add(name.zfill(5), split, [name, name.zfill(5)], row.where, label=row.one_of("label", numbers))
        test = [Reported("clips of the test split", 2341, TABLE_2, ("test",))] if self.fold == 1 else []
        return clips.data(DFEW_LABELS, [Reported("clips", 11697, TABLE_1), *test])
