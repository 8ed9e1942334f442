"""Emotion wheels: tables that bring the many words for an emotion to the few in the middle of a wheel."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from merc import MercError

WHEELS = ("wheel1", "wheel2", "wheel3", "wheel4", "wheel5")
_LEVELS = ("level1", "level2", "level3")
_RUNS = tuple(range(1, 9))


@dataclass(frozen=True)
class Wheels:
    """Five wheels, as AffectGPT (Lian et al., 2025) published them with MER-UniBench.

    ``clusters`` has a mapping a wheel, from a label in lower case to the level-1 word of its cluster; ``words`` are all
    the labels that the tables know, those that no wheel holds among them; ``printed`` are the words that stand on some
    wheel as they are.
    """

    clusters: tuple[Mapping[str, str], ...]
    words: frozenset[str]
    printed: frozenset[str]

    def map(self, labels: Iterable[str], wheel: int) -> frozenset[str]:
        """The clusters of some labels on one wheel (from 0); labels that it does not know are left out."""
        clusters = (self.clusters[wheel].get(plain(label)) for label in labels)
        return frozenset(cluster for cluster in clusters if cluster is not None)

    def knows(self, label: str) -> bool:
        """Whether one wheel at least has a cluster for the label."""
        return any(plain(label) in cluster for cluster in self.clusters)


def plain(label: str) -> str:
    """A label as the tables have it: lower case, without space around it."""
    return label.lower().strip()


def read_wheels(folder: Path) -> Wheels:
    """Read ``format.csv``, ``synonym.xlsx`` and ``wheel1.xlsx`` to ``wheel5.xlsx`` of a folder.

    A label's way to the middle of a wheel: a surface form gives its words (column ``format`` to column ``name`` of
    ``format.csv``; a word is a form of itself), a word the wheel words that it is a synonym of in any of the eight
    lists of ``synonym.xlsx`` (a wheel word is a synonym of itself), and the first of these, by the alphabet, that
    stands on the wheel (``level1``, ``level2`` or ``level3``; of several places the last) gives its level-1 word.

    Raises MercError that names every file that is missing or cannot be read, every column that is missing and every
    table that is empty.
    """
    if not folder.is_dir():
        raise MercError(
            f"emotion wheels: {folder} is not a folder; give the one that holds format.csv, synonym.xlsx and "
            "wheel1.xlsx to wheel5.xlsx"
        )
    files = [folder / "format.csv", folder / "synonym.xlsx", *(folder / f"{name}.xlsx" for name in WHEELS)]
    return _read(tuple(files), tuple((f.stat().st_mtime_ns, f.stat().st_size) if f.is_file() else None for f in files))


@lru_cache(maxsize=4)
def _read(files: tuple[Path, ...], stamps: tuple[tuple[int, int] | None, ...]) -> Wheels:
    """The tables, read once: ``stamps`` tell a file that was changed."""
    runs = [f"{kind}_run{i}" for i in _RUNS for kind in ("word", "synonym")]
    headers = [["name", "format"], runs, *([*_LEVELS] for _ in WHEELS)]
    tables: list[Sequence[Mapping[str, str]]] = []
    faults: list[str] = []
    for path, columns in zip(files, headers, strict=True):
        try:
            tables.append(_table(path, columns))
        except ValueError as error:
            faults.append(f"{path} {error}")
    if faults:
        raise MercError("emotion wheels: " + "; ".join(faults))
    forms = _forms(tables[0])
    words = _synonyms(tables[1])
    rings = [_wheel(table) for table in tables[2:]]
    clusters = tuple(_all_forms(forms, words, ring) for ring in rings)
    return Wheels(clusters, frozenset(forms), frozenset(forms).intersection(word for ring in rings for word in ring))


def _forms(table: Sequence[Mapping[str, str]]) -> dict[str, set[str]]:
    """The words of every surface form."""
    words: dict[str, set[str]] = {}
    for row in table:
        word = plain(row["name"])
        for form in [word, *_parts(row["format"])]:
            words.setdefault(form, set()).add(word)
    return words


def _synonyms(table: Sequence[Mapping[str, str]]) -> dict[str, set[str]]:
    """The wheel words of every word."""
    words: dict[str, set[str]] = {}
    for row in table:
        for run in _RUNS:
            word = plain(row[f"word_run{run}"])
            for synonym in [word, *_parts(row[f"synonym_run{run}"])]:
                if word:
                    words.setdefault(synonym, set()).add(word)
    return words


def _wheel(table: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The level-1 word of every wheel word. An empty level1 or level2 cell goes on with the one above it."""
    rings: dict[str, list[str]] = {}
    first = second = ""
    for row in table:
        if plain(row["level1"]):
            first, second = plain(row["level1"]), ""
        second = plain(row["level2"]) or second
        words = (first, second, plain(row["level3"]))
        rings.setdefault(first, []).extend(word for word in words if word)
    return {word: middle for middle, words in rings.items() for word in words}


def _all_forms(
    forms: Mapping[str, set[str]], synonyms: Mapping[str, set[str]], wheel: Mapping[str, str]
) -> dict[str, str]:
    first_of = {}
    for form, words in forms.items():
        candidates = sorted(candidate for word in words for candidate in synonyms.get(word, ()))
        first = next((wheel[candidate] for candidate in candidates if candidate in wheel), None)
        if first is not None:
            first_of[form] = first
    return first_of


def _parts(cell: str) -> list[str]:
    """The words of a cell: separated by commas, sometimes within brackets and quotes."""
    parts = (plain(part.strip(" []'\"\n\t")) for part in cell.split(","))
    return [part for part in parts if part]


def _table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table by column, empty cells as empty text. Raises ValueError with the end of a sentence."""
    if not path.is_file():
        raise ValueError("is not there")
    rows = _csv_rows(path) if path.suffix == ".csv" else _xlsx_rows(path)
    head = [_text(cell) for cell in next(rows, ())]
    missing = [name for name in columns if name not in head]
    if missing:
        has = ", ".join(name for name in head if name) or "nothing"
        raise ValueError(f"lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)} (its first row has: {has})")
    table = [dict(zip(head, map(_text, row), strict=False)) for row in rows if any(_text(cell) for cell in row)]
    if not table:
        raise ValueError("has no row below its column names")
    if columns[0] == "level1" and not table[0].get("level1"):
        raise ValueError("has no level1 word in its first row")
    return [{name: row.get(name, "") for name in columns} for row in table]


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _csv_rows(path: Path) -> Iterator[Sequence[Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from list(csv.reader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"is not a CSV table in UTF-8 ({error})") from None


def _xlsx_rows(path: Path) -> Iterator[Sequence[Any]]:
    import zipfile

    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            yield from list(book.worksheets[0].iter_rows(values_only=True))
        finally:
            book.close()
    except (InvalidFileException, zipfile.BadZipFile, KeyError, IndexError, OSError, ValueError) as error:
        raise ValueError(f"is not an xlsx table ({error})") from None
