"""A table (CSV) of values that somebody measured, one row per utterance."""

from __future__ import annotations

import csv
import functools
import io
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from merc import MercError
from merc_bemerc.levels import Measured

_NOTHING = {"", "nan", "na", "n/a", "none", "null", "--undefined--"}


def read_table(path: Path, key: str, columns: Mapping[str, str]) -> Mapping[str, Measured]:
    """The values of each row, by the row's name: what stands in the column ``key``, without a folder and an ending.

    ``columns`` says which column holds which measure. Empty cells (and NaN) are values that could not be measured; a
    variation counts only beside the value that varies. Raises MercError, naming the file and the line.
    """
    try:
        state = path.stat()
        return _read(path, state.st_mtime_ns, state.st_size, key, tuple(columns.items()))
    except OSError as error:
        raise MercError(
            f"annotator prosody: the table {path} cannot be read ({error.strerror}); give a CSV file"
        ) from None


@functools.lru_cache(maxsize=16)
def _read(
    path: Path, _mtime: int, _size: int, key: str, columns: tuple[tuple[str, str], ...]
) -> Mapping[str, Measured]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise MercError(f"annotator prosody: the table {path} is not UTF-8; save it as CSV in UTF-8") from None
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    columns_needed = [key, *(column for _, column in columns)]
    lacking = [name for name in columns_needed if name not in (rows.fieldnames or ())]
    if lacking:
        raise MercError(
            f"annotator prosody: the table {path} has no column {', '.join(lacking)}; its columns are "
            f"{', '.join(rows.fieldnames or ())}; name yours with 'columns' and 'key'"
        )
    measured: dict[str, Measured] = {}
    try:
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            name = PurePosixPath((row[key] or "").strip().replace("\\", "/")).stem
            if not name or name in measured:
                fault = f"a second row for {name!r}" if name else f"no name in the column {key}"
                raise MercError(f"annotator prosody: {where}: {fault}")
            measured[name] = _values(row, dict(columns), where)
    except csv.Error as error:
        raise MercError(
            f"annotator prosody: {path}, line {rows.line_num + 1}: not a table of commas and quotes ({error})"
        ) from None
    return measured


def _values(row: Mapping[str, str | None], columns: Mapping[str, str], where: str) -> Measured:
    values = {}
    for measure, column in columns.items():
        cell = (row[column] or "").strip()
        if cell.lower() in _NOTHING:
            continue
        try:
            value = float(cell)
        except ValueError:
            raise MercError(f"annotator prosody: {where}: {column} should be a number, not {cell!r}") from None
        if math.isfinite(value):
            values[measure] = value
    return {name: value for name, value in values.items() if name.removesuffix("_variation") in values}
