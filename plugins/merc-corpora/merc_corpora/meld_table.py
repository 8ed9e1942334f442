"""MELD's tables: their rows, and what is said of a table that is none of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import merc
from merc_corpora.importers.tables import check_cell
from merc_corpora.repairs import decode, mend

COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
"""The columns that a table needs; ``Sentiment`` and the others may be lacking."""
OLD = ("Old_Dialogue_ID", "Old_Utterance_ID")
"""The numbers that clips are named by where a table has them: MELD_Dyadic numbers its dialogues anew."""
MARKS = (",", ";", "\t", "|")
_TIME = re.compile(r"(\d{1,3}):(\d\d):(\d\d)[.,](\d{1,3})")

Row = Mapping[str, str]


def rows(table: Path, columns: Sequence[str] = COLUMNS, dataset: str = "MELD") -> Iterator[tuple[str, Row]]:
    """The rows of a table of a data set, and where each stands. Cells are between commas, or between whatever splits
    the first line into the ``columns``. Raises MercError for a table that lacks some, with what it seems to be."""
    text = decode(_content(table), table)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_mark(text, columns))
    names = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    lacking = [name for name in columns if name not in names]
    if lacking:
        raise merc.MercError(_lacks(table, names, lacking, columns, dataset))
    line = reader.line_num
    try:
        for row in reader:
            where, line = f"{table}, line {line + 1}", reader.line_num
            if None in row or None in row.values():
                cells = len(names) + len(row.get(None) or ()) - sum(cell is None for cell in row.values())  # type: ignore[call-overload]
                raise merc.MercError(
                    f"{where}: {cells} cells for {len(names)} columns; quote a cell that holds a comma"
                )
            for name, cell in row.items():
                check_cell(where, name, mend(cell), is_name=name != "Utterance")
            yield where, row
    except csv.Error as error:
        raise merc.MercError(f"{table}, line {reader.line_num}: not a table of commas and quotes ({error})") from None


def _mark(text: str, columns: Sequence[str]) -> str:
    """What stands between the cells: the mark that splits the first line into the columns, else a comma."""
    first = re.split("[\r\n]", text, maxsplit=1)[0]
    for mark in MARKS:
        if set(columns) <= {name.strip() for name in next(csv.reader([first], delimiter=mark), [])}:
            return mark
    return ","


def number(row: Row, column: str, where: str) -> int:
    """A whole number of at most nine digits; ``3.0`` is what programs make of 3 where a cell of the column is empty."""
    cell = row[column].strip()
    if re.fullmatch(r"[0-9]{1,9}(\.0*)?", cell):
        return int(cell.partition(".")[0])
    short = cell if len(cell) <= 40 else f"{cell[:40]}..."
    raise merc.MercError(f"{where}: {column} must be a whole number, not {short!r}")


def seconds(row: Row) -> float | None:
    """How long a row says that its utterance lasts; ``None`` where it does not say, or ends before it begins."""
    times = [_TIME.fullmatch((row.get(column) or "").strip()) for column in ("StartTime", "EndTime")]
    if not all(times):
        return None
    start, end = (
        int(hours) * 3600 + int(minutes) * 60 + int(whole) + float(f"0.{part}")
        for hours, minutes, whole, part in (match.groups() for match in times if match)
    )
    return end - start if end > start else None


def _content(table: Path) -> bytes:
    try:
        return table.read_bytes()
    except OSError as error:
        raise merc.MercError(f"{table} cannot be read: {error.strerror or error}") from None


def _lacks(table: Path, names: Sequence[str], lacking: Sequence[str], columns: Sequence[str], dataset: str) -> str:
    """The sentence for a table that lacks columns."""
    present = merc.first_names([name[:30] for name in names], 8)
    return (
        f"{table} lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}; its first line should name "
        f"those of {dataset}'s table, among them {', '.join(columns)}; it has {present or 'none'}; a table with other "
        f"columns is read by the corpus table: run merc corpus look {table}"
    )
