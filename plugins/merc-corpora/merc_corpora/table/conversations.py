"""Rows of tables as conversations, by the roles of their columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import merc
from merc_corpora.importers.tables import whole
from merc_corpora.table.roles import EMPTY, SPLITS, is_number, time_of
from merc_corpora.table.sheets import Row, Sheet, plain_cells, text_of

_TEMPLATE = re.compile(r"\{([^{}]+)\}")
_PLAIN = ("speaker", "label", "dataset", "sentiment", "intention")
_MOST = 5


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """How columns become utterances: ``columns`` by role and ``values`` by name, what a conversation is where no column
    says (a row, or a file), whether times count thousandths of a second, and where media paths begin."""

    columns: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)
    row_alone: bool = False
    thousandths: bool = False
    media_root: Path | None = None

    def used(self, columns: Sequence[str]) -> set[str]:
        """Which of a table's columns have a role."""
        every = [*self.columns.values(), *self.values.values()]
        return {name for column in every for name in parts_of(column, columns)}


def parts_of(column: str, columns: Sequence[str]) -> list[str]:
    """The columns that a mapping names: itself where it is one of ``columns``, those of a template, else itself.

    >>> parts_of("clips/{id}.mp4", ["id"]), parts_of("{id}", ["{id}"]), parts_of("id", [])
    (['id'], ['{id}'], ['id'])
    """
    return [column] if column in columns else _TEMPLATE.findall(column) or [column]


@dataclass
class _Faults:
    """Cells that cannot be what they are mapped to, by what is wrong with them."""

    places: dict[str, list[str]] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, where: str, cell: Any) -> None:
        """Count one; ``what`` is the end of a sentence."""
        text = str(cell)
        self.places.setdefault(what, []).append(f"{where}: {text[:40]!r}")

    def raise_any(self, rows: int) -> None:
        """Raise MercError with each kind, how many of the rows have it, and the first."""
        if not self.places:
            return
        lines = [f"{len(those)} of {rows} {what}; the first: {those[0]}" for what, those in self.places.items()]
        raise merc.MercError("\n  ".join(merc.first_lines(lines, _MOST)))


def conversations(
    sheets: Sequence[tuple[Sheet, str | None]], how: Mapped, notes: Sequence[str] = ()
) -> merc.CorpusData:
    """The conversations of tables, each with the split that its file is given to, in the order in which they begin."""
    groups: dict[tuple[str, str | None], list[tuple[Row, Path, str | None]]] = {}
    faults = _Faults()
    total = 0
    for sheet, sheet_split in sheets:
        as_numbers = {role for role in ("conversation", "id") if _numbers_alone(sheet, how.columns.get(role))}
        for number, row in enumerate(sheet.rows, start=1):
            total += 1
            split = _split(row, how, sheet_split, faults)
            name = _conversation(row, how, sheet, number, "conversation" in as_numbers)
            if not name:
                faults.add("rows name no conversation, whose cell is empty; fill it in on each row", row.where, "")
            groups.setdefault((name, split), []).append((row, sheet.path, "id" if "id" in as_numbers else None))
    rest = list(
        dict.fromkeys(name for sheet, _ in sheets for name in sheet.columns if name not in how.used(sheet.columns))
    )
    records = [_record(name, split, rows, how, (rest, faults)) for (name, split), rows in groups.items()]
    faults.raise_any(total)
    _check_ids([one for record, _ in records for one in record["utterances"]], how, sheets[0][0].path)
    read = merc.Records()
    for record, rows in records:
        row, file, _ = rows[0]
        read.add(record, file, row.where, None, [one.where for one, _, _ in rows])
    data = read.data()
    return merc.CorpusData(
        conversations=data.conversations, labels=data.labels, spaces=data.spaces,
        notes=(*_notes(groups, how, rest), *notes, *(note for note in data.notes if "in extra: row" not in note)),
    )  # fmt: skip


def _record(
    name: str,
    split: str | None,
    rows: list[tuple[Row, Path, str | None]],
    how: Mapped,
    rest_and_faults: tuple[Sequence[str], _Faults],
) -> tuple[dict[str, Any], list[tuple[Row, Path, str | None]]]:
    """The record of a conversation, and its rows in the order of its utterances."""
    rest, faults = rest_and_faults
    if "turn" in how.columns:
        rows = _in_turn(rows, how, faults)
    utterances = [_utterance(row, how, rest, faults, numbers is not None) for row, _, numbers in rows]
    record: dict[str, Any] = {"id": name, "split": split, "utterances": utterances}
    sets = list(dict.fromkeys(one.pop("dataset", None) for one in utterances))
    if len(sets) > 1:
        faults.add("rows name another dataset than their conversation's first", rows[0][0].where, sets[1])
    return record | {"dataset": sets[0] if sets else None}, rows


def _in_turn(
    rows: list[tuple[Row, Path, str | None]], how: Mapped, faults: _Faults
) -> list[tuple[Row, Path, str | None]]:
    """Rows by their turn. A turn that is no number, or stands twice in a conversation, is a fault."""
    column = how.columns["turn"]
    places: dict[float, str] = {}
    ordered = []
    for entry in rows:
        cell = _cell(entry[0], column)
        if not is_number(cell := cell.replace(",", ".", 1)):
            faults.add(f"cells of {column!r} (turn) are no numbers", entry[0].where, cell)
            continue
        if float(cell) in places:
            faults.add(f"cells of {column!r} (turn) stand twice in a conversation", entry[0].where, cell)
        places[float(cell)] = entry[0].where
        ordered.append((float(cell), entry))
    return [entry for _, entry in sorted(ordered, key=lambda pair: pair[0])] or rows


def _utterance(row: Row, how: Mapped, rest: Sequence[str], faults: _Faults, whole_ids: bool) -> dict[str, Any]:
    """The record of an utterance."""
    record: dict[str, Any] = {"text": _cell(row, how.columns["text"])}
    for role in _PLAIN:
        if role in how.columns:
            record[role] = _cell(row, how.columns[role]) or None
    if "id" in how.columns:
        name = _cell(row, how.columns["id"])
        record["id"] = (whole(name) if whole_ids else name) or None
    for role in ("start", "end"):
        if role in how.columns:
            cell = row.cells.get(how.columns[role])
            time = time_of(cell)
            if time is None and text_of(cell).casefold() not in EMPTY:
                faults.add(
                    f"cells of {how.columns[role]!r} ({role}) are no times (seconds, or 00:00:01,500)", row.where, cell
                )
            record[role] = time if time is None or not how.thousandths else time / 1000
    for role in ("video", "audio"):
        if role in how.columns:
            path = _cell(row, how.columns[role])
            record[role] = str(how.media_root / path) if path and how.media_root is not None else path or None
    numbers = {name: _number(row, name, column, faults) for name, column in how.values.items()}
    record["values"] = {name: value for name, value in numbers.items() if value is not None}
    if extra := plain_cells(row, rest):
        record["row"] = extra
    return {key: value for key, value in record.items() if value is not None}


def _number(row: Row, name: str, column: str, faults: _Faults) -> float | None:
    cell = row.cells.get(column)
    text = text_of(cell)
    if text.casefold() in EMPTY:
        return None
    plain = text.replace(",", ".", 1) if re.fullmatch(r"[-+]?\d+,\d+", text) else text
    if not is_number(plain):
        faults.add(f"cells of {column!r} ({name}) are no numbers", row.where, cell)
        return None
    return float(plain)


def _cell(row: Row, column: str) -> str:
    """A column's text, or that of a template of columns; a template with an empty cell is empty."""
    if column in row.cells or not _TEMPLATE.search(column):
        return text_of(row.cells.get(column))
    parts = {name: whole(text_of(row.cells.get(name))) for name in _TEMPLATE.findall(column)}
    filled: Callable[[re.Match[str]], str] = lambda match: parts[match[1]]  # noqa: E731
    return _TEMPLATE.sub(filled, column) if all(parts.values()) else ""


def _conversation(row: Row, how: Mapped, sheet: Sheet, number: int, numbers: bool) -> str:
    column = how.columns.get("conversation")
    if column is not None:
        name = _cell(row, column)
        return whole(name) if numbers else name
    return f"{sheet.path.stem}_{number}" if how.row_alone else sheet.path.stem


def _numbers_alone(sheet: Sheet, column: str | None) -> bool:
    """Whether a column holds whole numbers alone, so that ``3.0`` is what a program made of ``3``."""
    cells = [text_of(row.cells.get(column)) for row in sheet.rows] if column else []
    return bool(cells) and all(re.fullmatch(r"\d+(\.0+)?", cell) for cell in cells if cell)


def _split(row: Row, how: Mapped, sheet_split: str | None, faults: _Faults) -> str | None:
    if "split" not in how.columns:
        return sheet_split
    cell = _cell(row, how.columns["split"])
    split = SPLITS.get(cell.casefold())
    if split is None:
        faults.add(
            f"cells of {how.columns['split']!r} (split) are none of {', '.join(SPLITS)}; write one of them, or leave "
            "that column out", row.where, cell,
        )  # fmt: skip
    elif sheet_split not in (None, split):
        faults.add(f"rows are of another split than {sheet_split}, which 'path' gives their file to", row.where, cell)
    return split or sheet_split


def _check_ids(utterances: Sequence[Mapping[str, Any]], how: Mapped, path: Path) -> None:
    """Raise MercError where the column of ids is one of turns, which begins anew in each conversation."""
    counts = Counter(one["id"] for one in utterances if "id" in one)
    twice = [name for name, count in counts.items() if count > 1]
    if len(twice) > len(counts) / 2 and "split" not in how.columns:
        names = f"{len(twice)} of {len(counts)} utterances"
        raise merc.MercError(
            f"{path}: {how.columns['id']!r} (id) names {names} alike ({merc.first_names(twice)}); "
            "map it to 'turn' where it counts within a conversation, or leave it out"
        )


def _notes(groups: Mapping[Any, Any], how: Mapped, rest: Sequence[str]) -> list[str]:
    notes = []
    if rest:
        notes.append(f"columns without a role, kept in extra under 'row': {merc.first_names(rest)}")
    if how.row_alone and len(groups) > 1 and "conversation" not in how.columns:
        notes.append("each row is a conversation of its own, so no utterance has context (one_conversation: row)")
    return notes
