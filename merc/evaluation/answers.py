"""Anybody's answers, as a file has them: JSON Lines or CSV, an id a line, with a text, a label or probabilities."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merc.errors import MercError, did_you_mean
from merc.evaluation.shapes import is_number
from merc.files import parse_json, read_text

FIELDS = ("id", "text", "label", "probabilities", "task", "model")
OF_PREDICTIONS = ("conversation", "split", "truth", "truths", "missing", "label_history", "values", "details")
"""What merc's own predictions.jsonl has beside these, which is not read."""
PROBABILITY = "p:"
"""What a column of a CSV begins with that holds the probability of a label."""
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class GivenAnswer:
    """An answer to one question."""

    id: str
    """The utterance's."""
    where: str
    """The file and line, for messages."""
    model: str | None = None
    """Who answers, where the file says it."""
    task: str | None = None
    """The column of the benchmark that is answered, where the file says it."""
    text: str | None = None
    """What the model wrote."""
    label: str | None = None
    """The label, where one was made of it."""
    probabilities: Mapping[str, float] | None = None
    """Of each label."""

    @property
    def says_something(self) -> bool:
        """Whether there is a text, a label or probabilities; an empty text is an answer."""
        return any(value is not None for value in (self.text, self.label, self.probabilities))


def read_answers(path: Path) -> tuple[list[GivenAnswer], list[str]]:
    """The answers of a .jsonl or .csv file, and notes about fields that are not read.

    Raises MercError, naming the file and the line, for a file of another kind, one that cannot be read, a line that is
    no answer, and a field whose name is nearly that of one that is read.
    """
    readers = {".jsonl": _json_rows, ".csv": _csv_rows}
    if path.suffix not in readers:
        raise MercError(f"{path}: answers are a .jsonl or a .csv file, an answer a line")
    answers: list[GivenAnswer] = []
    unread: dict[str, int] = {}
    for where, row in readers[path.suffix](path):
        for name in row.keys() - {*FIELDS, *OF_PREDICTIONS}:
            if hint := did_you_mean(name, FIELDS):
                raise MercError(f"{where}: unknown field {name!r}.{hint} The fields are: {', '.join(FIELDS)}")
            unread[name] = unread.get(name, 0) + 1
        answers.append(_answer(row, where))
    if not answers:
        raise MercError(f"{path} holds no answer; each line has an id, and a text, a label or probabilities")
    names = sorted(unread)
    notes = [f"{path}: not read: {', '.join(names[:_SHOWN])}{' and more' * (len(names) > _SHOWN)}"] if names else []
    return answers, notes


def _json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # str.splitlines would also cut at U+2028 and the like, which JSON strings may hold.
    for number, line in enumerate(read_text(path).removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = parse_json(line)
        except ValueError as error:
            raise MercError(f"{where}: {error}") from None
        if not isinstance(row, dict):
            raise MercError(f"{where}: one JSON object a line was expected, not {type(row).__name__}")
        yield where, row


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(read_text(path).removeprefix("\ufeff"), newline=""), strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        if "id" not in names:
            raise MercError(
                f"{path} has no column 'id'.{did_you_mean('id', names)} Its columns, between commas, are: "
                f"{', '.join(names[:20]) or 'none'}"
            )
        if len(set(names)) != len(names):
            raise MercError(f"{path}: a column stands twice: {', '.join(names)}")
        line = reader.line_num
        for cells in reader:
            where, line = f"{path}, line {line + 1}", reader.line_num
            if not cells:
                continue
            if len(cells) != len(names):
                raise MercError(f"{where}: {len(cells)} cells for {len(names)} columns")
            yield where, _row_of(dict(zip(names, cells, strict=True)), where)
    except csv.Error as error:
        raise MercError(f"{path}, line {reader.line_num}: not a table of commas and quotes ({error})") from None


def _row_of(cells: Mapping[str, str], where: str) -> dict[str, Any]:
    """A line of a CSV as one of JSON: an empty cell is nothing, but for a text, which may be empty."""
    row: dict[str, Any] = {name: cell for name, cell in cells.items() if not name.startswith(PROBABILITY)}
    for name in ("label", "task", "model", "probabilities"):
        if name in row:
            row[name] = row[name].strip() or None
    if "text" in row and not row["text"] and (row.get("label") or row.get("probabilities")):
        row["text"] = None
    if row.get("probabilities"):
        try:
            row["probabilities"] = parse_json(row["probabilities"])
        except ValueError as error:
            raise MercError(f"{where}: 'probabilities' is a JSON object of numbers by label: {error}") from None
    of_labels = {name.removeprefix(PROBABILITY): cell for name, cell in cells.items() if name.startswith(PROBABILITY)}
    if any(cell.strip() for cell in of_labels.values()):
        try:
            row["probabilities"] = {label: float(cell) for label, cell in of_labels.items()}
        except ValueError:
            raise MercError(f"{where}: the columns {PROBABILITY}LABEL hold numbers, not {of_labels!r}") from None
        if not row.get("text"):
            row["text"] = None
    return row


def _answer(row: Mapping[str, Any], where: str) -> GivenAnswer:
    name = row.get("id")
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or not name.strip():
        raise MercError(f"{where}: 'id' must be the id of an utterance, not {name!r}")
    for field in ("text", "label", "task", "model"):
        if not isinstance(row.get(field), str | None):
            raise MercError(f"{where}: {field!r} must be a text, not {row[field]!r}")
    chances = row.get("probabilities")
    if chances is not None and not _is_probabilities(chances):
        written = json.dumps(chances, ensure_ascii=False)
        raise MercError(f"{where}: 'probabilities' must be numbers from 0 to 1 by label, not {written}")
    return GivenAnswer(
        id=name.strip(), where=where, model=row.get("model"), task=row.get("task"), text=row.get("text"),
        label=row.get("label"), probabilities=chances,
    )  # fmt: skip


def _is_probabilities(value: object) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(is_number(v) and math.isfinite(v) and 0 <= v <= 1 for v in value.values())
    )


def models_of(paths: Sequence[Path]) -> tuple[dict[str, list[GivenAnswer]], list[str]]:
    """The answers of several files by model: what a file says in ``model``, else its name without the suffix.

    Raises MercError where a file is given twice, and where two files are of one model by their names.
    """
    models: dict[str, list[GivenAnswer]] = {}
    owner: dict[str, Path] = {}
    notes: list[str] = []
    for path, times in Counter(path.resolve() for path in paths).items():
        if times > 1:
            raise MercError(f"{path} is given {times} times; name each file of answers once")
    for path in paths:
        answers, more = read_answers(path)
        notes += more
        for answer in answers:
            if answer.model is None and owner.setdefault(path.stem, path) != path:
                raise MercError(
                    f"{path} and {owner[path.stem]} are both of {path.stem!r}; rename one, or say who answers in a "
                    "field 'model'"
                )
            models.setdefault(answer.model or path.stem, []).append(answer)
    return models, notes
