"""CMU-MOSI, CMU-MOSEI, CH-SIMS and CH-SIMS v2, from the tables and clips that their users know as MMSA's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import merc
from merc_corpora.importers.clips import SPLITS, TABLE_1, TABLE_2, Clips, Reported
from merc_corpora.importers.tables import folder_of, read_csv

LABELS = ("negative", "neutral", "positive")
ROUNDING = 1e-3


@dataclass(frozen=True, kw_only=True)
class _Table(merc.Corpus):
    """A table (``video_id``, ``clip_id``, ``text``, ``label``, ``annotation``, ``mode``; some have ``label_T``,
    ``label_A`` and ``label_V``, the score by words, sound or picture alone) and ``Raw/<video_id>/<clip_id>.mp4``.

    A clip's label and its ``sentiment`` are negative, neutral or positive (``annotation``); ``valence`` is the score
    (``label``) as published. Scores by modality are in ``extra``, under the names of their columns.
    """

    root: Path
    """The folder that holds the table and ``Raw``."""

    name: ClassVar[str]
    table: ClassVar[str] = "label.csv"
    scores: ClassVar[float]
    reported: ClassVar[tuple[Reported, ...]]

    def load(self) -> merc.CorpusData:
        """Read the table. Raises MercError where it is not there or not as it should be, naming the line."""
        root = folder_of(self.root, self.name, [self.table, "Raw"], f"a folder with {self.table} and Raw")
        clips = Clips(self.name, root / "Raw")
        for row in read_csv(root / self.table, ("video_id", "clip_id", "text", "label", "annotation", "mode")):
            video, clip = row.needed("video_id"), row.numeral("clip_id")
            score = row.number("label")
            if score is not None and abs(score) > self.scores:
                # Means of annotators' scores that were computed in floats end in such numbers as 3.0000001.
                if abs(score) > self.scores + ROUNDING:
                    raise merc.MercError(
                        f"{row.where}: label is {score:g}; scores lie from -{self.scores:g} to {self.scores:g}"
                    )
                score = math.copysign(self.scores, score)
            sentiment = row["annotation"].lower() or None
            clips.add(
                f"{video}_{clip}", row.one_of("mode", SPLITS),
                # Programs that read the numbers as such drop the zeros before them.
                [f"{video}/{one}" for one in (clip, clip.zfill(4), clip.zfill(5))],
                row.where, row["text"], label=sentiment, valence=score,
                extra={"sentiment": sentiment, **{one: row.number(one) for one in ("label_T", "label_A", "label_V")}},
            )  # fmt: skip
        return clips.data(LABELS, self.reported)


@dataclass(frozen=True, kw_only=True)
class CmuMosiCorpus(_Table):
    """CMU-MOSI (Zadeh et al., 2016): ``label.csv`` and ``Raw``; scores from -3 to 3.

    The layout is the one in which the set is passed on with MMSA (thuiar/MMSA, ``Raw/<video_id>/<clip_id>.mp4``). The
    labels of CMU-MultimodalSDK (``.csd``, which is HDF5) and of MultiBench (pickle) are not read. Not verified on the
    set itself.
    """

    name = "cmu-mosi"
    scores = 3.0
    reported = (Reported("clips", 2199, TABLE_1), Reported("clips of the test split", 686, TABLE_2, ("test",)))


@dataclass(frozen=True, kw_only=True)
class CmuMoseiCorpus(_Table):
    """CMU-MOSEI (Zadeh et al., 2018): ``label.csv`` and ``Raw``; scores from -3 to 3. The layout is that of
    ``cmu-mosi``, with the same reservations."""

    name = "cmu-mosei"
    scores = 3.0
    reported = (Reported("clips", 22856, TABLE_1), Reported("clips of the test split", 4659, TABLE_2, ("test",)))


@dataclass(frozen=True, kw_only=True)
class ChSimsCorpus(_Table):
    """CH-SIMS (Yu et al., 2020): ``label.csv`` and ``Raw``; scores from -1 to 1; the words are Chinese.

    The layout is that of the authors' release for MMSA (``Raw/video_0001/0001.mp4``); older releases with
    ``metadata/sentiment`` are not read. Splits are drawn by clip, so a film's clips are in several. Not verified on the
    set itself.
    """

    name = "ch-sims"
    scores = 1.0
    reported = (
        Reported("clips", 2281, "CH-SIMS (Yu et al., 2020)"),
        Reported("clips of the test split", 457, TABLE_2, ("test",)),
    )


@dataclass(frozen=True, kw_only=True)
class ChSimsV2Corpus(_Table):
    """CH-SIMS v2, its supervised part (Liu et al., 2022): ``meta.csv`` and ``Raw`` in a folder published as
    ``ch-simsv2s``, with clips such as ``Raw/aqgy3_0001/00000.mp4``; scores from -1 to 1; the words are Chinese.

    The layout is documented by thuiar/ch-sims-v2 and by its readers (MERTools, ``simsv2``). Not verified on the set
    itself.
    """

    name = "ch-sims-v2"
    table = "meta.csv"
    scores = 1.0
    reported = (Reported("clips", 4403, TABLE_1), Reported("clips of the test split", 1034, TABLE_2, ("test",)))
