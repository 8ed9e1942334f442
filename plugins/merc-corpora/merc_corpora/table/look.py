"""What ``merc corpus look`` shows of a table: its columns, what each seems to be, and the section to paste."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import merc
from merc import first_names
from merc_corpora.own_files import files_below
from merc_corpora.table.roles import guessed, is_number, name_means_time
from merc_corpora.table.sheets import SUFFIXES, Layout, Sheet, read_sheet, text_of
from merc_corpora.text_files import fitting, read_bytes

_TABLES = (".csv", ".tsv", ".tab", ".parquet", ".xlsx", ".xlsm")
_COLUMNS, _WIDE, _EXAMPLES = 60, 28, 3
_WORDS = 40


def recognised(path: Path) -> merc.Recognised | None:
    """What a file with rows, or a folder with tables, is."""
    if path.is_dir():
        files = [one for one in files_below(path) if one.suffix.lower() in _TABLES]
        best = _one(files[0]) if files else None
        if best is None:
            return None
        what = f"a folder with {len(files)} tables, the first of which, {files[0].name}, is {best.what}"
        parameters = {**best.parameters, "path": str(path)}
        return merc.Recognised(what=what, parameters=parameters, details=best.details, general=True)
    return _one(path) if path.suffix.lower() in SUFFIXES or path.suffix == "" else None


def _one(path: Path) -> merc.Recognised | None:
    """What a table is; ``None`` for a file that is none."""
    try:
        encoding = _encoding(path)
        layout = Layout(encoding=encoding)
        sheet = read_sheet(path, layout)
        if headless := _headless(sheet):
            layout = Layout(encoding=encoding, delimiter=sheet.mark, header=headless)
            sheet = read_sheet(path, layout)
    except merc.MercError:
        # By its name it should be one, and reading it says why it is none.
        named = path.suffix.lower() in _TABLES
        what = "a table by its name, which cannot be read as it is"
        return merc.Recognised(what=what, parameters={"path": str(path)}, general=True) if named else None
    if not _is_table(sheet):
        return None
    columns, values = guessed(sheet)
    return merc.Recognised(
        what=f"a table of {len(sheet.rows):,} rows and {len(sheet.columns)} columns: {sheet.form}",
        parameters=_parameters(sheet, layout, columns, values),
        details=_details(sheet, columns, values, headless),
        general=True,
    )


def to_paste(sheet: Sheet) -> str:
    """The guessed mapping of a table, as lines of a recipe."""
    parameters = _parameters(sheet, Layout(), *guessed(sheet))
    del parameters["path"]
    lines = []
    for name, value in parameters.items():
        inside = ", ".join(f"{key}: {_quoted(one)}" for key, one in value.items()) if isinstance(value, dict) else ""
        lines.append(f"{name}: {{{inside}}}" if inside else f"{name}: {_quoted(value)}")
    return "\n".join(f"  {line}" for line in lines)


def _quoted(text: str) -> str:
    """A text as YAML takes it."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", text) and text.lower() not in (
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "null",
    )
    return text if plain else json.dumps(text, ensure_ascii=False)


def _parameters(sheet: Sheet, layout: Layout, columns: dict[str, str], values: dict[str, str]) -> dict[str, Any]:
    parameters: dict[str, Any] = {"path": str(sheet.path)}
    if layout.encoding != "utf-8" and sheet.mark is not None:
        parameters["encoding"] = layout.encoding
    if sheet.mark not in (None, ","):
        parameters["delimiter"] = sheet.mark
    if layout.header:
        parameters["header"] = list(layout.header)
    parameters["columns"] = columns
    if "conversation" not in columns:
        parameters["one_conversation"] = _conversation(sheet, columns)
    if values:
        parameters["values"] = values
    return parameters


def _conversation(sheet: Sheet, columns: dict[str, str]) -> str:
    """What a conversation seems to be where no column says: the file where people take turns in it, else the row."""
    speakers = {text_of(row.cells.get(columns["speaker"])) for row in sheet.rows} if "speaker" in columns else set()
    return "file" if len(speakers) > 1 else "row"


def _encoding(path: Path) -> str:
    """The encoding that a file seems to be in."""
    content = read_bytes(path)
    if content.startswith(b"PAR1"):
        return "utf-8"
    names = [name for name, _ in fitting(content)]
    return names[0] if names else "utf-8"


def _headless(sheet: Sheet) -> list[str]:
    """Names for the columns of a table whose first line seems to be a row; empty where it names the columns."""
    if sheet.mark is None or not any(is_number(name) for name in sheet.columns):
        return []
    return [f"column {place}" for place in range(1, len(sheet.columns) + 1)]


def _is_table(sheet: Sheet) -> bool:
    """Whether rows are utterances: several columns, and cells that are texts and numbers, and no turns of chats."""
    nested = {name for row in sheet.rows[:20] for name, cell in row.cells.items() if isinstance(cell, list | dict)}
    return len(sheet.columns) > 1 and not nested & {"messages", "conversations", "conversation", "utterances", "dialog"}


def _details(sheet: Sheet, columns: dict[str, str], values: dict[str, str], headless: Sequence[str]) -> list[str]:
    roles = {column: role for role, column in columns.items()} | {
        column: f"values: {name}" for name, column in values.items()
    }
    rows = [("column", "seems to be", "examples")]
    for name in sheet.columns[:_COLUMNS]:
        some = list(dict.fromkeys(text_of(row.cells.get(name)) for row in sheet.rows[:200]))
        first_cells = ", ".join(
            cell if len(cell) <= _WORDS else f"{cell[:_WORDS]}..." for cell in some[:_EXAMPLES] if cell
        )
        rows.append(
            (name if len(name) <= _WIDE else f"{name[:_WIDE]}...", roles.get(name, "-"), first_cells.replace("\n", " "))
        )
    wide, wider = (max(len(row[place]) for row in rows) for place in (0, 1))
    lines = [f"{name.ljust(wide)}  {role.ljust(wider)}  {examples}".rstrip() for name, role, examples in rows]
    if len(sheet.columns) > _COLUMNS:
        lines.append(f"and {len(sheet.columns) - _COLUMNS} more columns")
    if headless:
        lines.append("its first line seems to be a row and not to name the columns, so 'header' names them")
    times = [name for name in sheet.columns if name not in roles and name_means_time(name)]
    if times and not {"video", "audio"} & set(columns):
        lines.append(
            f"times ({first_names(times)}) have no role, as no column names the film or sound that they are in"
        )
    if "label" not in columns:
        lines.append("no column seems to hold labels: enough to predict, not to train")
    else:
        lines += _spaces(sheet, columns["label"])
    if "text" not in columns:
        lines.append("no column seems to hold the words; map 'text' yourself")
    return lines


def _spaces(sheet: Sheet, column: str) -> list[str]:
    """A line for labels that have space around them, which does not count."""
    cells = [row.cells.get(column) for row in sheet.rows]
    counts = Counter(cell for cell in cells if isinstance(cell, str) and cell.strip() and cell != cell.strip())
    examples = ", ".join(f"{cell!r} ({count})" for cell, count in counts.most_common(5))
    return [f"labels with space around them, which does not count: {examples}"] if examples else []
