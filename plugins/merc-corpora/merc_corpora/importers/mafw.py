"""MAFW: emotions in films, one a clip or several."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import merc
from merc_corpora.importers.clips import TABLE_1, TABLE_2, Clips, Reported
from merc_corpora.importers.tables import folder_of, read_text

LABELS = (
    "anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise", "contempt", "anxiety", "helplessness",
    "disappointment",
)  # fmt: skip
LISTS = "Train & Test Set"
# The lists with captions are said not to be UTF-8; they hold Chinese.
_ENCODINGS = ("utf-8-sig", "gb18030")


def _name(utterance: merc.Utterance) -> str:
    return utterance.id.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class MafwCorpus(merc.Corpus):
    """MAFW (Liu et al., 2022), in the authors' five folds.

    It holds ``Train & Test Set/single/no_caption/set_1/train.txt`` and ``test.txt``, one line per clip (``00025.mp4
    happiness``), the same under ``compound`` (``00030.mp4 anger_disgust``), and the clips in ``data/clips``. Where the
    lists under ``with_caption`` are there (clip, label, Chinese and English text, between tabs), a clip's English
    description is its cue ``description`` and the Chinese one ``extra``'s ``description_zh``.

    ``label`` is the single emotion, absent for clips that have none; ``extra``'s ``labels`` are the emotions of those
    that have several. A clip's split is that of the single list, else that of the compound one; clips whose two lists
    differ are counted.

    The set comes without words; what is said is left empty. The folders are documented by the authors' page
    (MAFW-database/MAFW), the lists by their readers. Not verified on the set itself.
    """

    root: Path
    """The folder that holds ``Train & Test Set`` and ``data``."""
    fold: Literal[1, 2, 3, 4, 5] = 1
    """The fold that is read; MMEVerse tests on 1."""

    def load(self) -> merc.CorpusData:
        """Read the fold's lists. Raises MercError where one is not there or not as it should be, naming the line."""
        set_, kinds = f"set_{self.fold}", ("single", "compound")
        lists = [f"{LISTS}/{kind}/no_caption/{set_}/{split}.txt" for kind in kinds for split in ("train", "test")]
        root = folder_of(self.root, "mafw", lists, f"the folder with {LISTS!r} and data in it")
        clips, moved = Clips("mafw", root / "data" / "clips"), []
        single, compound = (self._listed(root, kind, "no_caption", clips.again) for kind in kinds)
        captioned = {**self._listed(root, "compound", "with_caption"), **self._listed(root, "single", "with_caption")}
        for name in sorted({*single, *compound}):
            where, split, emotion, _ = single.get(name) or compound[name]
            several = compound[name][2].split("_") if name in compound else []
            for one in [emotion] * (name in single) + several:
                if one not in LABELS:
                    raise merc.MercError(f"{where}: {one!r} is no emotion of MAFW: {', '.join(LABELS)}")
            if name in single and name in compound and compound[name][1] != split:
                moved.append(name)
            chinese, english = ([*captioned[name][3], "", ""] if name in captioned else ["", ""])[:2]
            clips.add(
                name, split, name, where, label=emotion if name in single else None if len(several) > 1 else emotion,
                cues={"description": english},
                extra={"labels": several if len(several) > 1 else None, "description_zh": chinese},
            )  # fmt: skip
        notes = []
        if moved:
            note = "clips that the compound lists put into another split than the single ones"
            notes.append(f"{note}: {len(moved)} ({merc.first_names(moved, 10)})")
        reported = [Reported("clips", 10045, TABLE_1)]
        if self.fold == 1:
            reported += [
                Reported("test clips of the single list", 1839, TABLE_2, ("test",), lambda u: _name(u) in single),
                Reported(
                    "test clips of the single list that have several labels", 580, TABLE_2, ("test",),
                    lambda u: _name(u) in single and "labels" in u.extra,
                ),
            ]  # fmt: skip
        return clips.data(LABELS, reported, notes)

    def _listed(
        self, root: Path, kind: str, captions: str, again: list[str] | None = None
    ) -> dict[str, tuple[str, str, str, list[str]]]:
        """By clip: where it is listed first, its split, its emotion, and its descriptions. Lines that repeat a clip
        are added to ``again``."""
        clips: dict[str, tuple[str, str, str, list[str]]] = {}
        for split in ("train", "test"):
            path = root / LISTS / kind / captions / f"set_{self.fold}" / f"{split}.txt"
            if captions == "with_caption" and not path.is_file():
                continue
            for number, line in enumerate(read_text(path, _ENCODINGS).splitlines(), start=1):
                where, parts = f"{path}, line {number}", line.split("\t") if "\t" in line else line.split()
                if not line.strip():
                    continue
                if len(parts) < 2:
                    raise merc.MercError(f"{where}: a clip and its emotion are expected, not {line.strip()[:40]!r}")
                name = parts[0].strip().removesuffix(".mp4")
                if name in clips:
                    if again is not None:
                        again.append(f"{name} in {where}; the first in {clips[name][0]}")
                    continue
                clips[name] = (where, split, parts[1].strip(), [part.strip() for part in parts[2:]])
        return clips
