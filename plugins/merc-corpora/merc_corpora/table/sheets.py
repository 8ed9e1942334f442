"""Tables as rows, in whatever form they come: values between commas, tabs or semicolons, JSON, Parquet."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import merc
from merc import first_names
from merc_corpora.importers.tables import check_cell
from merc_corpora.text_files import read_bytes, read_text

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xlsm")
MARKS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SEPARATOR = re.compile(r"^sep=(.)\r?\n", re.IGNORECASE)
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Row:
    """A row: where it stands, and its cells by column. Cells of CSV are texts, others have the types of their form."""

    where: str
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class Sheet:
    """A table: ``form`` says in words what it is, ``columns`` are its names in order, ``mark`` is what stands between
    its cells (``None`` where nothing does), ``notes`` are sentences about what was left out or renamed."""

    path: Path
    form: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    mark: str | None = None
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a table of texts is written: what its bytes mean, what stands between cells (``None``: whichever of commas,
    semicolons, tabs and bars splits the first line into the ``known`` columns, or into most), names of columns where
    no line names them, and whether quotes hold cells together."""

    encoding: str = "utf-8"
    delimiter: str | None = None
    header: Sequence[str] | None = None
    quoted: bool = True
    known: Sequence[str] = ()


def read_sheet(path: Path, layout: Layout) -> Sheet:
    """A table. Raises MercError, naming the line or row, for what is none, is empty, or cannot be read."""
    content = read_bytes(path)
    if content.startswith(b"PAR1"):
        sheet = _parquet(path)
    elif content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        from merc_corpora.table.workbook import read_workbook

        sheet = read_workbook(path, content)
    else:
        text = read_text(path, layout.encoding)
        head = text.lstrip()[:1]
        is_json = head == "{" or (head == "[" and path.suffix.lower() not in (".csv", ".tsv", ".tab"))
        sheet = _json(path, text) if is_json else _values(path, text, layout)
    if not sheet.rows:
        raise merc.MercError(f"{path} holds no rows under its columns {first_names(sheet.columns)}")
    return sheet


def _values(path: Path, text: str, layout: Layout) -> Sheet:
    """Values between marks, a line a row; a quoted cell may hold marks and line ends."""
    stated = _SEPARATOR.match(text)  # Excel's own line before the header
    skipped = 1 if stated else 0
    text = text[stated.end() :] if stated else text
    mark = layout.delimiter or (stated[1] if stated else _mark(text, layout))
    quoting = csv.QUOTE_MINIMAL if layout.quoted else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, quoting=quoting)
    rows: list[Row] = []
    notes: list[str] = []
    faults: list[str] = []
    blank = total = 0
    columns = tuple(layout.header or ())
    line = reader.line_num
    try:
        if not layout.header:
            columns, renamed = named_once(next(reader, []))
            notes += [f"{path.name}: {note}" for note in renamed]
            line = reader.line_num
        for cells in reader:
            where, line = f"{path}, line {line + 1 + skipped}", reader.line_num
            if not any(cell.strip() for cell in cells):
                blank += bool(cells)
                continue
            total += 1
            if len(cells) != len(columns):
                faults.append(f"{where}: {len(cells)} cells for {len(columns)} columns")
                continue
            for name, cell in zip(columns, cells, strict=True):
                check_cell(where, name, cell)
            rows.append(Row(where, dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise merc.MercError(f"{path}, line {reader.line_num}: no table between {_word(mark)} ({error})") from None
    if faults:
        hint = (
            "is a quote not closed (quoted: false reads quotes as they stand)" if layout.quoted else "is it split well"
        )
        raise merc.MercError(
            f"{len(faults)} of {total} rows have another number of cells than the first line, the first: {faults[0]}; "
            f"quote a cell that holds {_word(mark)}, or {hint}?"
        )
    if blank:
        notes.append(f"{path.name}: {blank} rows without anything in them were left out")
    used, empty = without_empty(columns, rows)
    if empty:
        notes.append(f"{path.name}: columns without a name and without anything in them were left out: {empty}")
    form = f"values between {_word(mark)}, in {layout.encoding}"
    return Sheet(path, form, used, tuple(rows), mark, tuple(notes))


def _word(mark: str) -> str:
    return MARKS.get(mark, repr(mark))


def _mark(text: str, layout: Layout) -> str:
    """What stands between the cells: what splits the first line into the columns that are wanted, else what splits the
    first lines into most, and each into as many, cells."""
    head = text[: 1 << 16].splitlines()[:20]
    best, most = ",", (False, 0.0, 0)
    for mark in MARKS:
        split = list(csv.reader(head, delimiter=mark)) or [[]]
        names = [name.strip() for name in (layout.header or split[0])]
        known = bool(layout.known) and set(layout.known) <= set(names)
        alike = sum(len(row) == len(split[0]) for row in split) / len(split)
        score = (known, alike if len(split[0]) > 1 else 0.0, len(split[0]))
        if score > most:
            best, most = mark, score
    return best


def named_once(header: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Names of columns, each once and none empty, and notes."""
    names, notes, counts = [], [], Counter[str]()
    for place, cell in enumerate(header, start=1):
        name = cell.strip() or f"column {place}"
        counts[name] += 1
        if counts[name] > 1:
            notes.append(
                f"a column of the name {name!r} stands twice; the later one is called {f'{name} ({counts[name]})'!r}"
            )
            name = f"{name} ({counts[name]})"
        names.append(name)
    return tuple(names), notes


def without_empty(columns: Sequence[str], rows: Sequence[Row]) -> tuple[tuple[str, ...], int]:
    """The columns but for those without a name and without anything in them, and how many these are."""
    empty = [
        name
        for name in columns
        if re.fullmatch(r"column \d+", name) and not any(str(row.cells[name]).strip() for row in rows)
    ]
    return tuple(name for name in columns if name not in empty), len(empty)


def _json(path: Path, text: str) -> Sheet:
    """An array of objects, or an object a line: each is a row."""
    rows: list[Row] = []
    if text.lstrip().startswith("["):
        value = _loaded(text, str(path))
        if not isinstance(value, list):
            raise merc.MercError(f"{path} is no array of objects, one a row")
        form, numbered = (
            "one JSON array of objects",
            [(f"{path}, element {i}", one) for i, one in enumerate(value, start=1)],
        )
    else:
        lines = [(f"{path}, line {i}", line) for i, line in enumerate(text.split("\n"), start=1) if line.strip()]
        form, numbered = "JSON Lines", [(where, _loaded(line, where)) for where, line in lines]
    for where, one in numbered:
        if not isinstance(one, dict):
            raise merc.MercError(f"{where}: no object with the row's values by column")
        rows.append(Row(where, one))
    columns = tuple(dict.fromkeys(name for row in rows for name in row.cells))
    return Sheet(path, form, columns, tuple(rows))


def _loaded(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        place = "" if ", line" in where else f", line {error.lineno}"
        raise merc.MercError(f"{where}{place}: not JSON ({error.msg} at column {error.colno})") from None
    except (RecursionError, ValueError) as error:
        raise merc.MercError(f"{where}: not JSON that is read ({error})") from None


def _no_number(name: str) -> None:
    """What pandas writes for an empty cell of numbers."""
    return None


def _parquet(path: Path) -> Sheet:
    """Columns of texts, numbers, truth values and lists of texts. Those of classes (of Hugging Face's data sets) become
    their names; others are left out, and named."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise merc.MercError(f"{path}: Parquet needs pyarrow; pip install 'merc[parquet]'") from None
    try:
        table = pq.read_table(path)
        readable = [name for name in table.column_names if _readable(table.schema.field(name).type)]
        others = [name for name in table.column_names if name not in readable]
        classes = _classes(table.schema.metadata or {})
        values = table.select(readable).to_pylist()
    except Exception as error:  # of a damaged file Arrow raises what it likes
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise merc.MercError(f"{path} cannot be read as Parquet: {reason}") from None
    notes = []
    if others:
        notes.append(f"{path.name}: columns that are no texts or numbers were left out: {first_names(others)}")
    named = {name: those for name, those in classes.items() if name in readable}
    for name, those in named.items():
        notes.append(f"{path.name}: numbers of {name} are names of classes, as the file says: {first_names(those)}")
    rows = [
        Row(f"{path}, row {number}", {name: _class(cell, named.get(name)) for name, cell in cells.items()})
        for number, cells in enumerate(values, start=1)
    ]
    return Sheet(path, "Parquet", tuple(readable), tuple(rows), None, tuple(notes))


def _readable(kind: Any) -> bool:
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind) or types.is_dictionary(kind):
        return _readable(kind.value_type)
    texts = types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind)
    return bool(texts or types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind))


def _classes(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """The names of classes by column, where the file's metadata have them."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {
            name: list(one["names"])
            for name, one in features.items()
            if isinstance(one, dict) and one.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError):
        return {}


def _class(cell: Any, names: Sequence[str] | None) -> Any:
    inside = names is not None and isinstance(cell, int) and 0 <= cell < len(names)
    return names[cell] if inside and names is not None else cell


def text_of(cell: Any) -> str:
    """A cell as a text; empty for one that holds nothing. Whole numbers come without a point.

    >>> text_of(" Hi. "), text_of(3.0), text_of(None), text_of(True)
    ('Hi.', '3', '', 'true')
    """
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.strip() if isinstance(cell, str) else str(cell) if isinstance(cell, _PLAIN) else json.dumps(cell)


def plain_cells(row: Row, names: Iterable[str]) -> dict[str, Any]:
    """The cells of some columns that hold anything."""
    cells = {name: row.cells.get(name) for name in names}
    return {name: cell for name, cell in cells.items() if cell is not None and cell == cell and cell not in ("", [])}
