"""MERR and MER-Caption+: clips of the MER challenges that models described, made to train on (Table 7 of MMEVerse)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import merc
from merc import first_names
from merc_corpora.importers.clips import Clips, Reported
from merc_corpora.importers.mer import words_of
from merc_corpora.importers.tables import Row, folder_of, listed, read_csv, read_text, recognised_folder

MERR_LABELS = ("neutral", "angry", "happy", "sad", "worried", "surprise", "fear", "contempt", "doubt")
MERR_WORDS = ("transcription_en_all.csv", "subtitle_chieng.csv", "transcription-engchi-polish.csv")
MERR_COUNTS = {"coarse": 28618, "fine": 4487}
MERR_KEYS = {"coarse": "caption", "fine": "smp_reason_caption"}
LABELS_OF_CAPTIONS, CAPTIONS = "track2_train_mercaptionplus.csv", "track3_train_mercaptionplus.csv"
_FOLDERS = ("video", "test3")


@dataclass(frozen=True, kw_only=True)
class MerrCorpus(merc.Corpus):
    """MERR (Cheng et al., 2024), all for training: clips of MER2023-SEMI with a pseudo-label and a description.

    Of the coarse part there are ``MERR_coarse_grained.txt``, one line per clip with its name, a number that is not
    used, and its label; and ``MERR_coarse_grained.json``, an object by name whose ``caption`` is the description. Of
    the fine part the names are ``MERR_fine_grained.txt`` and ``.json``, and the key ``smp_reason_caption``. The clips
    are looked for in ``video`` and ``test3``, MER2023's own folder. Words come from the column ``sentence`` of
    ``transcription_en_all.csv``, or from ``english`` of ``subtitle_chieng.csv``, where they are there.

    The description becomes the cue ``multimodal``, as of ``mmeverse``; clips without one are counted.

    The layout is that of the authors' own reader (ZebangCheng/Emotion-LLaMA, ``datasets/first_face.py``). Not verified
    on the set itself.
    """

    root: Path
    """The folder that holds the lists and the clips."""
    grain: Literal["coarse", "fine"] = "coarse"
    """The part that is read: ``coarse`` (28,618 clips) or ``fine`` (4,487)."""

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with the lists and descriptions of MERR, or of MER-Factory's export of that form."""
        grain = next((one for one in MERR_KEYS if (path / f"MERR_{one}_grained.txt").is_file()), None)
        if grain is None:
            return None
        entries, more = [f"MERR_{grain}_grained.{end}" for end in ("txt", "json")], {"grain": grain}
        return recognised_folder(path, entries, f"clips with labels and descriptions of MERR ({grain})", more)

    def load(self) -> merc.CorpusData:
        """Read both files. Raises MercError where one is not there or not as it should be, naming the line."""
        table, descriptions = f"MERR_{self.grain}_grained.txt", f"MERR_{self.grain}_grained.json"
        root = folder_of(self.root, "merr", [table, descriptions], f"the folder with {table} and {descriptions}")
        described = _described(root / descriptions, MERR_KEYS[self.grain])
        words, clips = words_of(root, MERR_WORDS), Clips("merr", root)
        known = {label: label for label in MERR_LABELS}
        silent = []
        for row in _lines(root / table):
            name = row["name"]
            subtitle = words.get(name)
            text = (subtitle.get("sentence") or subtitle.get("english")) if subtitle is not None else ""
            if not described.get(name):
                silent.append(name)
            clips.add(
                name, "train", [f"{folder}/{name}" for folder in _FOLDERS], row.where, text,
                cues={"multimodal": described.get(name, "")}, label=row.one_of("label", known),
            )  # fmt: skip
        count = Reported("clips", MERR_COUNTS[self.grain], "MERR (Cheng et al., 2024)")
        return clips.data(MERR_LABELS, [count], _undescribed(silent, clips))


@dataclass(frozen=True, kw_only=True)
class MerCaptionPlusCorpus(merc.Corpus):
    """MER-Caption+ (Lian et al., 2025), all for training: clips with open labels and a description.

    It holds ``track2_train_mercaptionplus.csv`` (``name``, ``openset``, a list), ``track3_train_mercaptionplus.csv``
    (``name``, ``reason``), ``subtitle_chieng.csv`` (``name``, ``chinese``, ``english``) where it is there, and
    ``video/<name>.mp4``. There is no label space: ``open_labels`` holds what the list holds. The description becomes
    the cue ``multimodal``, as of ``mmeverse``; clips without one are counted.

    The layout is that of MER2025's release and the authors' reader (zeroQiaoba/AffectGPT,
    ``mercaptionplus_dataset.py``). Not verified on the set itself.
    """

    root: Path
    """The folder that holds the tables and ``video``."""
    empty: Literal["keep", "neutral"] = "keep"
    """What an empty list of labels is: kept and counted, or ``neutral``, as the authors' reader has it."""
    language: Literal["english", "chinese"] = "english"
    """The subtitles that are the words; those in the other language are kept in ``extra``."""

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with both tables of MER-Caption+."""
        return recognised_folder(path, (LABELS_OF_CAPTIONS, CAPTIONS), "clips with open labels of MER-Caption+")

    def load(self) -> merc.CorpusData:
        """Read both tables. Raises MercError where one is not there or not as it should be, naming the line."""
        what = f"the folder with {LABELS_OF_CAPTIONS}, {CAPTIONS} and video"
        root = folder_of(self.root, "mer-caption-plus", [LABELS_OF_CAPTIONS, CAPTIONS], what)
        reasons = read_csv(root / CAPTIONS, ("name", "reason"))
        descriptions = {row.needed("name"): row["reason"] for row in reasons}
        words, clips, silent = words_of(root), Clips("mer-caption-plus", root), []
        for row in read_csv(root / LABELS_OF_CAPTIONS, ("name", "openset")):
            name, subtitle = row.needed("name"), words.get(row["name"])
            text = subtitle.get(self.language) if subtitle is not None else ""
            if not descriptions.get(name):
                silent.append(name)
            labels = listed(row["openset"]) or (("neutral",) if self.empty == "neutral" else ())
            clips.add(
                name, "train", f"video/{name}", row.where, text, cues={"multimodal": descriptions.get(name, "")},
                open_labels=labels,
            )  # fmt: skip
        count = Reported("clips", 31327, "MER-Caption+ (Lian et al., 2025)")
        return clips.data(None, [count], _undescribed(silent, clips))


def _undescribed(names: list[str], clips: Clips) -> list[str]:
    return (
        [f"clips without a description: {len(names)} of {len(clips.places)} ({first_names(names, 10)})"]
        if names
        else []
    )


def _lines(path: Path) -> Iterator[Row]:
    """The rows of a table of three columns with spaces between them, which has no line for their names."""
    empty = True
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        cells = line.split()
        if not cells:
            continue
        where, empty = f"{path}, line {number}", False
        if len(cells) != 3:
            raise merc.MercError(f"{where}: {len(cells)} words; a name, a number and a label are expected")
        yield Row(where, dict(zip(("name", "number", "label"), cells, strict=True)))
    if empty:
        raise merc.MercError(f"{path} holds no rows; get the file anew")


def _described(path: Path, key: str) -> dict[str, str]:
    """The descriptions of a JSON object by name, empty where one is not there."""
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise merc.MercError(f"{path}: not JSON ({error})") from None
    if not isinstance(content, dict):
        raise merc.MercError(f"{path}: an object by the names of clips is expected, not a {type(content).__name__}")
    texts = {}
    for name, one in content.items():
        description = one.get(key, "") if isinstance(one, dict) else None
        if not isinstance(description, str):
            raise merc.MercError(f"{path}: {name!r} should be an object in which {key!r} is a text")
        texts[name] = description.strip()
    if texts and not any(texts.values()):
        raise merc.MercError(
            f"{path}: 0 of {len(texts)} clips have the key {key!r}; is it the file of the other grain?"
        )
    return texts
