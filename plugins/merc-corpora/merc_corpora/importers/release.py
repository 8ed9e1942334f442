"""MMEVerse as its authors release it: a table a set, with descriptions; and E3 and MC-EIU from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import merc
from merc_corpora.importers import bold, films, mafw, mer
from merc_corpora.importers.clips import SPLITS, TABLE_1, TABLE_2, Clips, Stated
from merc_corpora.importers.tables import Row, folder_of, listed, read_csv

MELD = ("neutral", "surprise", "fear", "sad", "joy", "disgust", "anger")
IEMOCAP = ("neutral", "frustration", "anger", "excited", "happiness", "surprise", "sadness", "fear", "disgust", "other")
MC_EIU = ("anger", "disgust", "fear", "happy", "neutral", "sad", "surprise")
INTENTIONS = (
    "acknowledging", "agreeing", "consoling", "encouraging", "neutral", "questioning", "suggesting", "sympathizing",
    "wishing",
)  # fmt: skip
E3 = ("angry", "disgusted", "happy", "sad", "sarcastic", "scared", "shy", "surprised")
POLARITY = ("negative", "neutral", "positive")
DESCRIPTIONS = {
    "visual_objective": ("response_Qwen25vl_72B",),
    "audio_tone": ("response_AudioReasoner", "response_Qwen2Audio"),
    "multimodal": (
        "gpt-4o-mini_Emotion", "gpt-4o-mini_Single", "gpt-4o-mini_Sentiment", "gpt-4o-mini_intent", "gpt-4o-mini_Multi",
    ),
}  # fmt: skip
"""The cue that each description becomes, and the columns that hold it: the first one that is not empty."""
SESSIONS = {**{f"session{i}": "train" for i in range(1, 5)}, "session5": "test"}
PARTS = {**SPLITS, "test1": "test", "test2": "test", "test3": "test", "test_semi": "test"}
Set = Literal[
    "mer2023", "mer2024", "meld", "iemocap", "caer", "e3", "dfew", "mafw", "mc-eiu", "cmu-mosi", "cmu-mosei",
    "ch-sims", "ch-sims-v2", "bold",
]  # fmt: skip


@dataclass(frozen=True)
class _Columns:
    """The columns of a set's table that hold what a clip is labelled with, and what its labels are."""

    table: str
    labels: tuple[str, ...]
    label: str | None
    text: str
    split: str | None = "mode"
    splits: Mapping[str, str] = field(default_factory=lambda: PARTS)
    more: Mapping[str, str] = field(default_factory=dict)
    several: str | None = None
    stated: tuple[Stated, ...] = ()


def _in(count: int, *splits: str) -> Stated:
    return Stated(f"clips of the {' and '.join(splits)} split{'s' * (len(splits) > 1)}", count, TABLE_2, splits)


_TESTED = ("dev", "test")
SETS: dict[str, _Columns] = {
    "mer2023": _Columns(
        "MER2023", mer.LABELS, "emotion_label", "english", "MER2023_mode", stated=(Stated("clips", 3784, TABLE_1),)
    ),
    "mer2024": _Columns("MER2024", mer.LABELS, "emotion_label", "english", "MER2024_mode", stated=(_in(1169, "test"),)),
    "meld": _Columns(
        "MELD", MELD, "Emotion", "text", more={"sentiment": "Sentiment"},
        stated=(Stated("clips", 13798, TABLE_1), _in(2610, "test"), _in(3719, *_TESTED)),
    ),
    "iemocap": _Columns(
        "IEMOCAP", IEMOCAP, "official_label", "text", "session", SESSIONS, stated=(Stated("clips", 10039, TABLE_1),)
    ),
    "caer": _Columns(
        "CAER", films.CAER_LABELS, "emotion_label", "text_whisper",
        stated=(Stated("clips", 13175, TABLE_1), _in(3953, *_TESTED)),
    ),
    "e3": _Columns(
        "E3", E3, "emotion", "conversation", more={"person": "person", "sentiment": "sentiment"},
        stated=(Stated("clips", 16320, TABLE_1), _in(3288, *_TESTED)),
    ),
    "dfew": _Columns(
        "DFEW", films.DFEW_LABELS, "label", "sentence", stated=(Stated("clips", 11697, TABLE_1), _in(2341, *_TESTED))
    ),
    "mafw": _Columns(
        "MAFW", mafw.LABELS, "single_label", "text_whisper", several="multi_label",
        stated=(Stated("clips", 10045, TABLE_1),),
    ),
    "mc-eiu": _Columns(
        "MC-EIU", MC_EIU, "emotion", "Subtitle", more={"intention": "intent"},
        stated=(Stated("clips", 10830, TABLE_1), _in(3249, *_TESTED)),
    ),
    "cmu-mosi": _Columns("CMU-MOSI", POLARITY, "sentiment_label", "text", stated=(Stated("clips", 2199, TABLE_1),)),
    "cmu-mosei": _Columns("CMU-MOSEI", POLARITY, "sentiment_label", "text", stated=(Stated("clips", 22856, TABLE_1),)),
    "ch-sims": _Columns("CH-SIMS", POLARITY, "val_label", "english", None, stated=(_in(457, "test"),)),
    "ch-sims-v2": _Columns("CH-SIMS-v2", POLARITY, "annotation", "text", stated=(Stated("clips", 4403, TABLE_1),)),
    "bold": _Columns(
        "BOLD", bold.LABELS, None, "text_whisper", several="Emotion_label",
        stated=(Stated("clips", 10072, TABLE_1), _in(1116, "dev")),
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Release(merc.Corpus):
    """A set of the release, read from ``<SET>_merged.csv`` (or ``table``) and ``video/<video_id>.mp4`` in ``root``."""

    root: Path
    table: str = ""

    columns: ClassVar[_Columns]

    def load(self) -> merc.CorpusData:
        """Read the table. Raises MercError where it is not there or not as it should be, naming the line."""
        return self._read(self.columns)

    def _read(self, set_: _Columns) -> merc.CorpusData:
        table = self.table or f"{set_.table}_merged.csv"
        root = folder_of(self.root, self._name(), [table], f"the folder with {table} and video in it")
        wanted = [one for one in ("video_id", set_.label, set_.text, set_.split, set_.several) if one is not None]
        clips = Clips(root / "video")
        spelled = {one.lower(): one for one in set_.labels}
        for row in read_csv(root / table, wanted):
            name = row.needed("video_id")
            if set_.table == "CMU-MOSEI" and row.get("clip_id"):
                name = f"{name}_{row['clip_id']}"
            split = row.one_of(set_.split, set_.splits) if set_.split else "test"
            label = None if set_.label is None else spelled.get(row[set_.label].lower(), row[set_.label]) or None
            more: dict[str, object] = {key: row.get(column).lower() for key, column in set_.more.items()}
            intention = more.get("intention")
            if intention and intention not in INTENTIONS:
                raise merc.MercError(f"{row.where}: {intention!r} is no intention of MC-EIU: {', '.join(INTENTIONS)}")
            if set_.labels == POLARITY:
                more["sentiment"] = label
            if set_.several is not None:
                more["labels"] = [self._label(one, spelled, row) for one in listed(row[set_.several])]
            cues = {cue: next(filter(None, map(row.get, names)), "") for cue, names in DESCRIPTIONS.items()}
            files = [name, name.zfill(5)]
            clips.add(
                name,
                split,
                files,
                row.where,
                row[set_.text],
                cues,
                {**more, "part": row.get(set_.split or "")},
                label=label,
            )
        return clips.data(set_.labels, set_.stated)

    def _label(self, one: str, spelled: Mapping[str, str], row: Row) -> str:
        # The table writes one of BoLD's labels otherwise than BoLD does.
        known = spelled.get({"disconnection": "disconnect"}.get(one.lower(), one.lower()))
        if known is None:
            raise merc.MercError(f"{row.where}: {one!r} is none of the labels {', '.join(spelled.values())}")
        return known

    def _name(self) -> str:
        return next(name for name, columns in SETS.items() if columns is self.columns)


@dataclass(frozen=True, kw_only=True)
class MmeverseCorpus(_Release):
    """A set of MMEVerse (Peng et al.) as its authors release it (ooochen/MMEVerse): ``<SET>_merged.csv`` and ``video``
    in ``root``. ``set`` names it; ``table`` is another name of the file.

    What is described becomes cues: ``visual_objective`` (what Qwen2.5-VL saw), ``audio_tone`` (what Audio-Reasoner,
    else Qwen2-Audio, heard) and ``multimodal`` (what GPT-4o made of it). ``extra`` has ``sentiment``, ``intention`` and
    ``labels`` where the set has them.

    The columns are those that the authors' code reads (ooochen-30/Emotion-LLaMA-v2, ``mer_datasets.py`` and
    ``mer_eval_datasets.py``); a column for ``visual_expression``, if there is one, is not documented there. Not
    verified on the release itself.
    """

    set: Set

    def load(self) -> merc.CorpusData:
        """Read the table. Raises MercError where it is not there or not as it should be, naming the line."""
        return self._read(SETS[self.set])

    def _name(self) -> str:
        return "mmeverse"


@dataclass(frozen=True, kw_only=True)
class E3Corpus(_Release):
    """E3 (Feng et al., 2024), from ``E3_merged.csv`` and ``video`` of MMEVerse's release: ``video_id``, ``emotion``,
    ``conversation``, ``person``, ``mode``, and ``sentiment`` where it is there.

    The set's own release (folders of films, ``annotation/data1.xlsx`` and ``data2.xlsx``) documents neither its columns
    nor splits, so it is not read. Not verified on the release itself.
    """

    columns = SETS["e3"]


@dataclass(frozen=True, kw_only=True)
class McEiuCorpus(_Release):
    """MC-EIU (Liu et al., 2024), English and Mandarin, from ``MC-EIU_merged.csv`` and ``video`` of MMEVerse's release:
    ``video_id``, ``emotion``, ``intent`` (``extra``'s ``intention``), ``Subtitle``, ``mode``.

    What is public of the set's own release documents features, not its tables, so it is not read. Its paper has nine
    intentions, of which MMEVerse's code names eight. Not verified on the release itself.
    """

    columns = SETS["mc-eiu"]
