"""EMER: clips of MER2023 whose emotions are described, with what speaks for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import merc
from merc_corpora.importers.clips import Clips, Reported
from merc_corpora.importers.mer import words_of
from merc_corpora.importers.tables import Row, folder_of, read_csv, recognised_folder

SECOND, FIRST = "final-EMER-reason.csv", ("gt-eng.csv", "gt-chi.csv")
SOURCE = "EMER (Lian et al., 2023)"
_FOLDERS = ("video", "train", "test1", "test2", "test3")


@dataclass(frozen=True, kw_only=True)
class EmerCorpus(merc.Corpus):
    """EMER (Lian et al., 2023), all for testing. A version has its table: ``final-EMER-reason.csv`` the second
    (``name``, ``chinese``, ``english``: 332 clips), ``gt-eng.csv`` and ``gt-chi.csv`` the first (``names``,
    ``emotions``, ``subtitles``, ``reasons``: 100 clips). The clips are MER2023's, looked for in ``video``, ``train``
    and ``test1`` to ``test3``.

    The description stands once, in ``extra``'s ``description``; where the table has the other language, that is
    ``description_zh`` or ``description_en``. It is no cue, so no prompt shows it; ``emotion-llama`` learns it with
    ``task: reason, description: description``, and the metric ``emer-overlap`` compares with it. The first version's
    ``emotions`` are ``open_labels``; there are no other labels. Words come from the first version's subtitles, else
    from ``transcription-engchi-polish.csv`` or ``subtitle_chieng.csv`` of MER2023.

    Names of files and columns are those of the authors' release (zeroQiaoba/AffectGPT, folder ``EMER``).
    """

    root: Path
    """The folder that holds a version's table and the clips."""
    language: Literal["english", "chinese"] = "english"
    """The language of the words and of the description."""

    @classmethod
    def recognise(cls, path: Path) -> merc.Recognised | None:
        """A folder with a table of one of EMER's versions."""
        table = next((name for name in (SECOND, *FIRST) if (path / name).is_file()), None)
        return recognised_folder(path, [table], "clips whose emotions EMER explains") if table else None

    def load(self) -> merc.CorpusData:
        """Read the table. Raises MercError where none is there or it is not as it should be, naming the line."""
        root, second = Path(self.root).expanduser(), SECOND
        if (root / second).is_file():
            return self._second(root)
        if any((root / name).is_file() for name in FIRST):
            return self._first(root)
        folder_of(root, "emer", [second], f"the folder with {second}, or with {' and '.join(FIRST)}, and clips in it")
        raise AssertionError

    def _second(self, root: Path) -> merc.CorpusData:
        clips, words = Clips("emer", root), words_of(root)
        for row in read_csv(root / SECOND, ("name", self.language)):
            name, subtitle = row.needed("name"), words.get(row["name"])
            text = subtitle.get(self.language) if subtitle is not None else ""
            self._add(clips, row, name, text, row.needed(self.language), row.get(self._other))
        return clips.data(None, [Reported("clips", 332, SOURCE)])

    def _first(self, root: Path) -> merc.CorpusData:
        tables = dict(zip(("english", "chinese"), FIRST, strict=True))
        table, other = root / tables[self.language], root / tables[self._other]
        if not table.is_file():
            folder_of(root, "emer", [table.name], f"the folder with {table.name} and clips in it")
        columns = ("names", "emotions", "subtitles", "reasons")
        others = {row.needed("names"): row["reasons"] for row in read_csv(other, columns)} if other.is_file() else {}
        clips = Clips("emer", root)
        for row in read_csv(table, columns):
            name = row.needed("names")
            open_labels = (row["emotions"],) if row["emotions"] else ()
            self._add(clips, row, name, row["subtitles"], row.needed("reasons"), others.get(name, ""), open_labels)
        return clips.data(None, [Reported("clips", 100, SOURCE)])

    @property
    def _other(self) -> str:
        return "chinese" if self.language == "english" else "english"

    def _add(
        self, clips: Clips, row: Row, name: str, text: str, description: str, other: str,
        open_labels: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        key = "description_zh" if self.language == "english" else "description_en"
        clips.add(
            name, "test", [f"{folder}/{name}" for folder in _FOLDERS], row.where, text,
            extra={"description": description, key: other}, open_labels=open_labels,
        )  # fmt: skip
