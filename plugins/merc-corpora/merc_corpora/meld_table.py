"""MELD's tables: their rows, and what is said of a table that is none of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import merc
from merc_corpora.importers.tables import check_cell, split_by
from merc_corpora.repairs import decode, mend

COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
OLD = ("Old_Dialogue_ID", "Old_Utterance_ID")
"""The numbers that clips are named by where a table has them: MELD_Dyadic numbers its dialogues anew."""
_TIME = re.compile(r"(\d{1,3}):(\d\d):(\d\d)[.,](\d{1,3})")

Row = Mapping[str, str]


def rows(table: Path) -> Iterator[tuple[str, Row]]:
    """The rows of a table, and where each stands. Raises MercError for a table that is not as published, which says
    what it seems to be."""
    reader = csv.DictReader(io.StringIO(decode(_content(table), table), newline=""))
    names = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    lacking = [name for name in COLUMNS if name not in names]
    if lacking:
        raise merc.MercError(_not_melds(table, names, lacking))
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


def number(row: Row, column: str, where: str) -> int:
    """A whole number of at most nine digits."""
    cell = row[column].strip()
    if re.fullmatch("[0-9]{1,9}", cell):
        return int(cell)
    shown = cell if len(cell) <= 40 else f"{cell[:40]}..."
    spread = re.fullmatch(r"[0-9]{1,9}\.0*", cell)
    hint = "; pandas writes such where a cell of the column is empty: save it as whole numbers" if spread else ""
    raise merc.MercError(f"{where}: {column} must be a whole number, not {shown!r}{hint}")


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


def check_labels(table: Path, unlabelled: Sequence[str], total: int) -> None:
    """Raise MercError where rows have no label."""
    if unlabelled:
        raise merc.MercError(
            f"{table}: {len(unlabelled)} of {total} rows have an empty Emotion; the first: {unlabelled[0]}. Every row "
            "of MELD has one; a table in which some have none can be written as JSON Lines (corpus jsonl), where a "
            "label may be left out"
        )


def _content(table: Path) -> bytes:
    try:
        return table.read_bytes()
    except OSError as error:
        raise merc.MercError(f"{table} cannot be read: {error.strerror or error}") from None


def _not_melds(table: Path, names: Sequence[str], lacking: Sequence[str]) -> str:
    """What a table seems to be that lacks columns, and what to do."""
    text = f"{table} lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}"
    mark = split_by(names, COLUMNS)
    if mark is not None:
        return f"{text}: its cells seem to stand between {mark}; save it with commas between them"
    if list(lacking) == ["Sentiment"]:
        return f"{text}; add it, empty where you have none"
    shown = ", ".join(name[:30] for name in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return (
        f"{text}; its first line should name the columns of the MELD dataset's table, among them {', '.join(COLUMNS)}; "
        f"it has {shown or 'none'}"
    )
