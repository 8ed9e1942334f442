"""Tables of published sets, read with faults that name the file and the line."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc


@dataclass(frozen=True)
class Row:
    """A row of a table, and where it stands. Cells are stripped of spaces."""

    where: str
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def get(self, column: str) -> str:
        """A cell; empty where the table has no such column."""
        return self.cells.get(column, "")

    def numeral(self, column: str) -> str:
        """A cell that may not be empty and may be a whole number, as ``whole`` has it."""
        return whole(self.needed(column))

    def needed(self, column: str) -> str:
        """A cell that may not be empty."""
        if not self.cells[column]:
            raise merc.MercError(f"{self.where}: {column} is empty")
        return self.cells[column]

    def number(self, column: str) -> float | None:
        """A number; ``None`` where the cell is empty or not there."""
        cell = self.get(column)
        try:
            value = float(cell) if cell else None
        except ValueError:
            value = math.nan
        if value is not None and not math.isfinite(value):
            raise merc.MercError(f"{self.where}: {column} must be a number, not {cell!r}")
        return value

    def one_of(self, column: str, choices: Mapping[str, str]) -> str:
        """What a cell means among ``choices``, whatever its capitals."""
        cell = self.cells[column]
        if whole(cell).lower() not in choices:
            raise merc.MercError(f"{self.where}: {column} is {cell!r}; it should be one of {', '.join(choices)}")
        return choices[whole(cell).lower()]


def whole(cell: str) -> str:
    """A whole number without the point that programs give a column of numbers with empty cells.

    >>> whole("12.0"), whole("007.0"), whole("1.5"), whole("a.0")
    ('12', '007', '1.5', 'a.0')
    """
    return cell.partition(".")[0] if re.fullmatch(r"\d+\.0+", cell) else cell


_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")
_IN_NAME = re.compile("[\0-\x1f\x7f-\x9f]")
_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_CELL = 10_000


def check_cell(where: str, column: str, cell: str, is_name: bool = False) -> None:
    """Raise MercError for a cell with a control character (of a text, but for tabs and ends of lines), or of a length
    that no utterance has (a quote that is not closed, say)."""
    if control := (_IN_NAME if is_name else _CONTROL).search(cell.strip()):
        raise merc.MercError(f"{where}: {column} holds a control character (\\u{ord(control[0]):04x}); take it out")
    if len(cell) > _CELL:
        raise merc.MercError(
            f"{where}: {column} holds {len(cell):,} characters, more than {_CELL:,}; is a quote not closed?"
        )


def split_by(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """What stands between the cells of a table whose header was not split by commas, where it then has a column that
    is wanted."""
    header = ",".join(names)
    for mark, word in _MARKS.items():
        if mark in header and set(columns) & {name.strip().strip('"') for name in header.split(mark)}:
            return word
    return None


def read_text(path: Path, encodings: Sequence[str] = ("utf-8-sig",)) -> str:
    """A text file in the first of the encodings that fits. Raises MercError where none does, or it is not there."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise merc.MercError(f"{path} cannot be read: {error.strerror or error}") from None
    if content.count(0) > len(content) // 8:
        raise merc.MercError(f"{path}: it holds NUL bytes, as a text in UTF-16 does; save the table in UTF-8")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            at = error.start + 1
    raise merc.MercError(f"{path}: not {' nor '.join(encodings)} at byte {at}; save the table in UTF-8")


def read_csv(path: Path, columns: Sequence[str], header: Sequence[str] | None = None) -> Iterator[Row]:
    """The rows of a table of commas that has at least ``columns``. ``header`` names the columns of one without a line
    for them; every row must then have as many cells."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        names = list(header) if header else [name.strip() for name in next(reader, [])]
        lacking = [name for name in columns if name not in names]
        if lacking:
            text = f"{path} lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}"
            if mark := split_by(names, columns):
                raise merc.MercError(
                    f"{text}: its cells seem to stand between {mark}; save it with commas between them"
                )
            raise merc.MercError(
                f"{text}; its columns are {merc.first_names([name[:30] for name in names], 20) or 'none'}"
            )
        line, empty = reader.line_num, True
        for cells in reader:
            where, line = f"{path}, line {line + 1}", reader.line_num
            if not cells:
                continue
            if len(cells) != len(names):
                raise merc.MercError(f"{where}: {len(cells)} cells for {len(names)} columns")
            empty = False
            for name, cell in zip(names, cells, strict=True):
                check_cell(where, name, cell)
            yield Row(where, {name: cell.strip() for name, cell in zip(names, cells, strict=True)})
    except csv.Error as error:
        raise merc.MercError(f"{path}, line {reader.line_num}: not a table of commas and quotes ({error})") from None
    if empty:
        raise merc.MercError(f"{path} holds no rows; get the table anew")


def listed(cell: str) -> tuple[str, ...]:
    """The items of a cell that lists them, in brackets and quotes or without.

    >>> listed("['happy', 'at ease']"), listed("[]"), listed("Fear; Pain")
    (('happy', 'at ease'), (), ('Fear', 'Pain'))
    """
    items = (item.strip().strip("'\"").strip() for item in cell.strip().strip("[]").replace(";", ",").split(","))
    return tuple(item for item in items if item)


def folder_of(root: Path, corpus: str, entries: Sequence[str], what: str) -> Path:
    """The root of a set, checked to hold what it should."""
    root = merc.user_path(root)
    lacking = [name for name in entries if not (root / name).exists()]
    if lacking:
        state = f"lacks {', '.join(lacking)}" if root.is_dir() else "is not there"
        raise merc.MercError(f"the folder {root} {state}; 'root' of the corpus {corpus} should be {what}")
    return root


def recognised_folder(
    path: Path, entries: Sequence[str], what: str, parameters: Mapping[str, Any] | None = None
) -> merc.Recognised | None:
    """What a folder is that holds all of some files, which are a set's own by their names."""
    if not path.is_dir() or not all((path / name).exists() for name in entries):
        return None
    return merc.Recognised(what=what, parameters={"root": str(path), **(parameters or {})})
