"""The first sheet of an Excel workbook as a table."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import merc
from merc_corpora.importers.tables import check_cell
from merc_corpora.table.sheets import Row, Sheet, named_once, text_of, without_empty

_OLD = b"\xd0\xcf\x11\xe0"
_MOST_BYTES = 1 << 28


def read_workbook(path: Path, content: bytes) -> Sheet:
    """The first sheet; a note names the others. Cells hold what formulas came to; times and dates are texts. Raises
    MercError for a workbook that cannot be read or holds nothing."""
    if content.startswith(_OLD):
        raise merc.MercError(f"{path} is a workbook of the older kind (.xls); save it as .xlsx, or as CSV UTF-8")
    try:
        import openpyxl  # type: ignore[import-untyped]
    except ImportError:
        raise merc.MercError(
            f"{path} is a workbook, which needs openpyxl: pip install 'merc-corpora[excel]'; or save it as CSV UTF-8"
        ) from None
    _check_size(path, content)
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        name, *others = [sheet.title for sheet in book.worksheets]
        lines = [[_plain(cell) for cell in cells] for cells in book[name].iter_rows(values_only=True)]
    except Exception as error:  # of a damaged archive it raises what it likes
        raise merc.MercError(
            f"{path} cannot be read as a workbook: {str(error)[:200] or type(error).__name__}; save it as CSV UTF-8"
        ) from None
    filled = [(number, cells) for number, cells in enumerate(lines, start=1) if any(map(text_of, cells))]
    if not filled:
        raise merc.MercError(f"{path}: its first sheet, {name!r}, is empty")
    columns, renamed = named_once([text_of(cell) for cell in filled[0][1]])
    rows = []
    for number, cells in filled[1:]:
        where = f"{path}, row {number}"
        values = dict(zip(columns, [*cells, *[None] * (len(columns) - len(cells))], strict=False))
        for column, value in values.items():
            if isinstance(value, str):
                check_cell(where, column, value)
        rows.append(Row(where, values))
    notes = [f"{path.name}: {note}" for note in renamed]
    if others:
        notes.append(f"{path.name}: its first sheet, {name!r}, is read; the others are not: {merc.first_names(others)}")
    used, empty = without_empty(columns, [Row(r.where, {c: text_of(v) for c, v in r.cells.items()}) for r in rows])
    if empty:
        notes.append(f"{path.name}: columns without a name and without anything in them were left out: {empty}")
    return Sheet(path, f"an Excel workbook, sheet {name!r}", used, tuple(rows), None, tuple(notes))


def _plain(cell: Any) -> Any:
    """A cell as the values that tables have."""
    return cell if isinstance(cell, str | int | float | bool | type(None)) else str(cell)


def _check_size(path: Path, content: bytes) -> None:
    """Raise MercError for an archive that unpacks to more than a table holds: a small file can fill the memory."""
    import zipfile

    try:
        size = sum(one.file_size for one in zipfile.ZipFile(io.BytesIO(content)).infolist())
    except zipfile.BadZipFile as error:
        raise merc.MercError(f"{path} cannot be read as a workbook: {error}; save it as CSV UTF-8") from None
    if size > _MOST_BYTES:
        raise merc.MercError(f"{path} unpacks to {size / 1e6:.0f} MB; save its sheet as CSV UTF-8")
