"""BoLD: emotions that bodies show, several at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import merc
from merc_corpora.importers.clips import TABLE_1, TABLE_2, Clips, Reported
from merc_corpora.importers.tables import folder_of, read_csv, whole

LABELS = (
    "peace", "affection", "esteem", "anticipation", "engagement", "confidence", "happiness", "pleasure", "excitement",
    "surprise", "sympathy", "doubt/confusion", "disconnect", "fatigue", "embarrassment", "yearning", "disapproval",
    "aversion", "annoyance", "anger", "sensitivity", "sadness", "disquietment", "fear", "pain", "suffering",
)  # fmt: skip
"""In small letters, as those of the other sets, with which they may be read together."""
HEADER = (
    "video", "person_id", "min_frame", "max_frame", *LABELS, "valence", "arousal", "dominance", "gender", "age",
    "ethnicity", "annotation_confidence",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BoldCorpus(merc.Corpus):
    """BoLD (Luo et al., 2020): ``annotations/train.csv`` and ``annotations/val.csv``, and the clips in ``videos``. The
    labels of its test part are not published, so ``val`` is the dev split, on which MMEVerse tests.

    A line has no names of columns: the clip (``003/IzvOYVMltkI.mp4/0114.mp4``), a person in it, the frames in which
    they are seen, 26 emotions from 0 to 1, valence, arousal and dominance from 0 to 10, gender, age, ethnicity and the
    confidence of the annotation. A clip with several people is there once for each; ids are ``IzvOYVMltkI_0114_0``.

    ``label`` is the strongest emotion. ``extra``'s ``labels`` are all that are strong enough; clips that have none are
    counted. ``extra`` keeps ``scores`` by emotion, ``arousal``, ``dominance`` and the rest. Valence is as published.

    The set comes without words; what is said is left empty. The columns are documented by the set's readers. Not
    verified on the set itself, the threshold included.
    """

    root: Path
    """The set's folder, published as ``BOLD_public``."""
    threshold: float = 0.5
    """The least strength, from 0 to 1, at which an emotion is one of the clip's ``labels``."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold is more than 0 and at most 1, not {self.threshold:g}")

    def load(self) -> merc.CorpusData:
        """Read both tables. Raises MercError where one is not there or not as it should be, naming the line."""
        tables = {"train": "annotations/train.csv", "dev": "annotations/val.csv"}
        root = folder_of(self.root, "bold", list(tables.values()), "the folder BOLD_public with annotations in it")
        clips, plain, names = Clips("bold", root / "videos"), 0, Counter[str]()
        for split, table in tables.items():
            for row in read_csv(root / table, HEADER, HEADER):
                parts = [part.removesuffix(".mp4") for part in row.needed("video").split("/")]
                # A person may be annotated in a clip more than once, in other frames.
                name = "_".join([*parts[-2:], whole(row["person_id"])])
                names[name] += 1
                scores = {one: row.number(one) or 0.0 for one in LABELS}
                labels = [one for one in LABELS if scores[one] >= self.threshold]
                plain += not labels
                more = {one: row.number(one) for one in ("arousal", "dominance", "annotation_confidence")}
                seen = {one: row[one] for one in ("person_id", "min_frame", "max_frame", "gender", "age", "ethnicity")}
                clips.add(
                    name if names[name] == 1 else f"{name}_{names[name]}", split,
                    row["video"].removesuffix(".mp4"), row.where, label=max(LABELS, key=scores.__getitem__),
                    valence=row.number("valence"), extra={"labels": labels, "scores": scores, **more, **seen},
                )  # fmt: skip
        notes = [f"no emotion of at least {self.threshold:g}: {plain} clips have no labels"] if plain else []
        twice = sum(count - 1 for count in names.values())
        if twice:
            notes.append(f"{twice} clips show a person who is annotated in them before; their ids end in _2 and so on")
        reported = [Reported("clips", 10072, TABLE_1), Reported("clips of the dev split", 1116, TABLE_2, ("dev",))]
        return clips.data(LABELS, reported, notes)
