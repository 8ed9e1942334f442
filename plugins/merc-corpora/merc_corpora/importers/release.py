"""MMEVerse as its authors release it: one table per set, with descriptions; and E3 and MC-EIU from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

import merc
from merc_corpora.importers.clips import Clips
from merc_corpora.importers.release_sets import FURTHER, POLARITY, SETS, Columns
from merc_corpora.importers.tables import Row, listed, read_csv, whole

DESCRIPTIONS = {
    "visual_objective": ("response_Qwen25vl_72B",),
    "audio_tone": ("response_AudioReasoner", "response_Qwen2Audio"),
    "multimodal": (
        "gpt-4o-mini_Emotion", "gpt-4o-mini_Single", "gpt-4o-mini_Sentiment", "gpt-4o-mini_intent", "gpt-4o-mini_Multi",
    ),
}  # fmt: skip
"""The cue that each description becomes, and the columns that hold it: the first one that is not empty."""
TABLES = ("merged", "label")
# What the authors' code takes for no label, and IEMOCAP's own word for it.
_NONE = ("", "unknown", "nan", "xxx")
Set = Literal[
    "mer2023", "mer2024", "meld", "iemocap", "caer", "e3", "dfew", "mafw", "mc-eiu", "cmu-mosi", "cmu-mosei",
    "ch-sims", "ch-sims-v2", "bold",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MmeverseCorpus(merc.Corpus):
    """MMEVerse (Peng et al.) as its authors release it (ooochen/MMEVerse): a folder for each set, such as ``CAER``,
    with ``CAER_merged.csv``, ``CAER_label.csv`` or both, and the clips in ``video``.

    Every conversation is a clip, its ``dataset`` the set, its id ``caer/<video_id>``; each set keeps its own label
    space (``merc.CorpusData.spaces``). Labels are read in the set's own spelling, whatever their capitals.

    Descriptions become cues: ``visual_objective`` (what Qwen2.5-VL saw), ``audio_tone`` (what Audio-Reasoner, else
    Qwen2-Audio, heard) and ``multimodal`` (what GPT-4o made of it), from the table itself or from ``CAER_AU_gpt.csv``
    beside it or in the folder ``AU_gpt``. ``extra`` has ``sentiment``, ``intention`` and ``labels`` where the set has
    them, and ``part``, the split as the table names it. A table need not have a column of words. A row that repeats a
    clip is named and left out.

    Folders, tables and columns are those that the authors' code reads (ooochen-30/Emotion-LLaMA-v2:
    ``configs/datasets``, ``mer_datasets.py``, ``mer_datasets_ft.py`` and ``mer_eval_datasets.py``). A column for
    ``visual_expression``, if there is one, is not documented there, nor are the labels of OV-MERD+, for which there is
    ``ov-merd-plus``. Not verified on the release itself.
    """

    root: Path
    """The folder that holds the sets' folders, or the tables of a single set."""
    sets: tuple[Set, ...] = ()
    """The sets to read; by default all that are there, and a note names those that are not."""
    language: Literal["english", "chinese"] = "english"
    """The words that are read where a table has English and Chinese ones (MER2023, MER2024, CH-SIMS); the others are
    kept in ``extra`` as ``text_zh`` or ``text_en``."""

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with sets of MMEVerse, or one of its sets."""
        if not path.is_dir():
            return None
        sets = [name for name in SETS if _tables(path, SETS[name])]
        what = f"{len(sets)} of the {len(SETS)} sets of MMEVerse: {', '.join(sets)}"
        return merc.Recognised(what=what, parameters={"root": str(path)}) if sets else None

    def load(self) -> merc.CorpusData:
        """Read the tables. Raises MercError where one is not there or not as it should be, naming the line."""
        root = merc.user_path(self.root)
        places = {name: _tables(root, SETS[name]) for name in self.sets or SETS}
        absent = [name for name, tables in places.items() if not tables]
        if absent and (self.sets or len(absent) == len(places)):
            raise merc.MercError(_lacks(root, "mmeverse", absent))
        notes = [f"sets that are not there: {', '.join(absent)}"] if absent else []
        read = {name: _Reading(name, root, tables, self.language).data() for name, tables in places.items() if tables}
        if len(read) == 1:
            (one,) = read.values()
            return replace(one, notes=(*notes, *one.notes))
        return merc.CorpusData(
            conversations=[talk for one in read.values() for talk in one.conversations],
            spaces={name: one.labels for name, one in read.items() if one.labels is not None},
            notes=(*notes, *(f"{name}: {note}" for name, one in read.items() for note in one.notes)),
            counts=[replace(c, what=f"{name}: {c.what}") for name, one in read.items() for c in one.counts],
        )


@dataclass(frozen=True, kw_only=True)
class _OneSet(merc.Corpus):
    root: Path
    """The folder of the release, or that of the set itself."""

    name: ClassVar[str]

    def load(self) -> merc.CorpusData:
        """Read the table. Raises MercError where it is not there or not as it should be, naming the line."""
        root = merc.user_path(self.root)
        tables = _tables(root, SETS[self.name])
        if not tables:
            raise merc.MercError(_lacks(root, self.name, [self.name]))
        return _Reading(self.name, root, tables).data()


@dataclass(frozen=True, kw_only=True)
class E3Corpus(_OneSet):
    """E3 (Feng et al., 2024), as ``mmeverse`` reads it: ``E3_merged.csv`` (``video_id``, ``emotion``, ``conversation``,
    ``person``, ``mode``, and ``sentiment`` where it is there) and ``video`` in ``root``.

    The set's own release (folders of films, ``annotation/data1.xlsx`` and ``data2.xlsx``) documents neither its columns
    nor splits, so it is not read. Not verified on the release itself.
    """

    name = "e3"


@dataclass(frozen=True, kw_only=True)
class McEiuCorpus(_OneSet):
    """MC-EIU (Liu et al., 2024), English and Mandarin, as ``mmeverse`` reads it: ``MC-EIU_merged.csv`` (``video_id``,
    ``emotion``, ``intent``, which becomes ``extra``'s ``intention``, ``Subtitle``, ``mode``) and ``video`` in ``root``.

    What is public of the set's own release documents features, not its tables, so it is not read. Its paper has nine
    intentions, of which MMEVerse's code names eight. Not verified on the release itself.
    """

    name = "mc-eiu"


def _tables(root: Path, set_: Columns) -> list[Path]:
    """The tables of a set, in its folder or in ``root`` itself; none where it is not there."""
    others = {name for one in SETS.values() if one is not set_ for name in one.names} - set(set_.names)
    for name in set_.names:
        for folder in (root / name, root):
            # The authors' configuration has CMU-MOSI's tables under the name of CMU-MOSEI, in CMU-MOSI's own folder.
            stems = (name, *(set_.files if folder.name == name else ()))
            for stem in () if folder.name in others else stems:
                tables = [path for kind in TABLES if (path := folder / f"{stem}_{kind}.csv").is_file()]
                if tables:
                    return tables
    return []


def _lacks(root: Path, corpus: str, sets: Sequence[str]) -> str:
    tables = [f"{name}/{name}_merged.csv" for name in (SETS[one].names[0] for one in sets)]
    state = f"lacks {', '.join(tables)}" if root.is_dir() else "is not there"
    return (
        f"the folder {root} {state}; 'root' of the corpus {corpus} should be the folder of MMEVerse's sets, or that of "
        "one set, with its table and video in it"
    )


@dataclass
class _Reading:
    """A set, read from its tables."""

    name: str
    root: Path
    tables: list[Path]
    language: str = "english"
    strangers: int = 0
    descriptions: dict[str, Row] = field(default_factory=dict)

    def data(self) -> merc.CorpusData:
        """All that its tables hold."""
        set_, notes = SETS[self.name], []
        clips = Clips(self.name, self.tables[0].parent / "video")
        self.descriptions = self._descriptions(set_)
        columns = [one for one in ("video_id", set_.label, set_.split, set_.several) if one is not None]
        words = (set_.chinese if self.language == "chinese" else None) or set_.text
        for place, table in enumerate(self.tables):
            before, wordless = set(clips.places), False
            for row in read_csv(table, columns):
                wordless = words not in row.cells
                name = _name_of(self.name, set_, row)
                if set_.shared and not row[set_.split or ""]:
                    self.strangers += 1
                elif name not in before:
                    self._add(clips, set_, name, row)
            if wordless:
                notes.append(f"{table.name} has no column {words}: its clips have no words")
            if place and (more := len(clips.places) - len(before)):
                notes.append(f"clips that are in {table.name} and not in {self.tables[0].name}: {more}")
        if self.strangers:
            notes.append(f"rows that are of another set: {self.strangers}")
        return clips.data(set_.labels, set_.reported, notes)

    def _add(self, clips: Clips, set_: Columns, name: str, row: Row) -> None:
        spelled = {one.lower(): one for one in set_.labels}
        cell = "" if set_.label is None else row[set_.label]
        label = None if cell.lower() in _NONE else spelled.get(cell.lower(), cell)
        more: dict[str, object] = {key: row.get(column).lower() for key, column in set_.more.items()}
        for key, known in FURTHER.items():
            if more.get(key) and more[key] not in known:
                raise merc.MercError(f"{row.where}: {more[key]!r} is no {key} of {self.name}: {', '.join(known)}")
        if set_.labels == POLARITY:
            more["sentiment"] = label
        if set_.several is not None and row[set_.several].lower() not in _NONE:
            more["labels"] = [_one_label(one, spelled, row) for one in listed(row[set_.several])]
        text, other = row.get(set_.text), {}
        if set_.chinese is not None:
            other = {"text_zh": row.get(set_.chinese)}
            if self.language == "chinese":
                text, other = other["text_zh"], {"text_en": text}
        rows = [row, *([self.descriptions[name]] if name in self.descriptions else [])]
        cues = {
            cue: next((one.get(column) for column in columns for one in rows if one.get(column)), "")
            for cue, columns in DESCRIPTIONS.items()
        }
        clips.add(
            name, row.one_of(set_.split, set_.splits) if set_.split else "test",
            [name, row["video_id"], name.zfill(5)], row.where, text, cues,
            {**more, **other, "part": row.get(set_.split or "")}, label=label,
        )  # fmt: skip

    def _descriptions(self, set_: Columns) -> dict[str, Row]:
        """The rows of the table of descriptions, by clip; none where there is no such table."""
        folders = (self.tables[0].parent, self.root / "AU_gpt", self.root.parent / "AU_gpt")
        for path in (folder / f"{name}_AU_gpt.csv" for name in set_.names for folder in folders):
            if path.is_file():
                return {_name_of(self.name, set_, row): row for row in read_csv(path, ("video_id",))}
        return {}


def _name_of(set_name: str, set_: Columns, row: Row) -> str:
    name = row.numeral("video_id") if set_.digits else row.needed("video_id")
    # One table alone names its clips in two columns.
    name = f"{name}_{whole(row['clip_id'])}" if set_name == "cmu-mosei" and row.get("clip_id") else name
    return name.zfill(set_.digits)


def _one_label(one: str, spelled: Mapping[str, str], row: Row) -> str:
    # The table writes one of BoLD's labels otherwise than BoLD does.
    known = spelled.get({"disconnection": "disconnect"}.get(one.lower(), one.lower()))
    if known is None:
        raise merc.MercError(f"{row.where}: {one!r} is none of the labels {', '.join(spelled.values())}")
    return known
