"""predictions.jsonl: one prediction a line, written whole or not at all, read with errors that name the line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from merc.components import Prediction
from merc.errors import MercError, did_you_mean
from merc.evaluation.shapes import is_count, is_number
from merc.files import parse_json, write_text

_UTTERANCE = ("speaker", "text", "start", "end", "unanswered")
"""What a prediction has of its utterance, which stands in the data, and not in a run's predictions."""
_ATTRIBUTES = {"text" if f.name == "answer" else f.name: f.name for f in fields(Prediction) if f.name not in _UTTERANCE}
"""The fields of a line, and the prediction's names for them: ``text`` is what the model wrote."""
_FIELDS = tuple(_ATTRIBUTES)


def prediction_to_json(prediction: Prediction) -> str:
    """One line of predictions.jsonl, without its end of line.

    >>> prediction_to_json(Prediction(id="u0", conversation="d0", split="test", truth="joy", label="joy"))[:58]
    '{"id": "u0", "conversation": "d0", "split": "test", "truth'
    """
    row = {name: getattr(prediction, attribute) for name, attribute in _ATTRIBUTES.items()}
    for name in ("probabilities", "missing", "truths", "values", "details"):
        row[name] = None if row[name] is None else dict(row[name])
    for name in ("truths", "label_history", "following", "values", "details"):
        if not row[name]:
            del row[name]
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        for name in ("truths", "values", "details"):
            try:
                json.dumps(row.get(name), allow_nan=False)
            except (TypeError, ValueError):
                raise MercError(f"prediction for {prediction.id!r}: {name!r} is not plain JSON: {error}") from error
        raise MercError(
            f"prediction for {prediction.id!r}: a probability is not a finite number ({row['probabilities']}); "
            "its scores were none either: look at the model's weights and the utterance's features"
        ) from error


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write predictions.jsonl, whole or not at all, in the order given.

    Raises MercError for two predictions of one utterance and for a probability that is not finite.
    """
    seen: set[tuple[str | None, str, str]] = set()
    for p in predictions:
        key = (p.split, p.conversation, p.id)
        if key in seen:
            raise MercError(f"{path}: two predictions for utterance {p.id!r} of conversation {p.conversation!r}")
        seen.add(key)
    write_text(path, "".join(prediction_to_json(p) + "\n" for p in predictions))


def read_predictions(path: Path) -> list[Prediction]:
    """Read predictions.jsonl, in the file's order.

    Raises MercError, naming the file and the line, for a file that is not there, a line that is not a JSON object, a
    field that is missing, unknown or of the wrong type, and a second prediction of one utterance.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MercError(f"{path} is not there; it is written by `merc run` when the recipe has `evaluate:`") from None
    except IsADirectoryError:
        raise MercError(f"{path} is a folder; a predictions.jsonl file was expected") from None
    except OSError as error:
        raise MercError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise MercError(f"{path} is not UTF-8 text (byte {error.start}); it is not a predictions.jsonl file") from None
    predictions: list[Prediction] = []
    first: dict[tuple[str | None, str, str], int] = {}
    # str.splitlines would also cut at U+2028 and the like, which JSON strings may hold.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        prediction = _parse(line, where)
        key = (prediction.split, prediction.conversation, prediction.id)
        if key in first:
            raise MercError(f"{where}: utterance {prediction.id!r} has a prediction already, in line {first[key]}")
        first[key] = number
        predictions.append(prediction)
    return predictions


def _parse(line: str, where: str) -> Prediction:
    try:
        row = parse_json(line)
    except ValueError as error:
        raise MercError(f"{where}: {error}") from None
    if not isinstance(row, dict):
        raise MercError(f"{where}: one JSON object a line was expected, not {type(row).__name__}")
    if "past_labels" in row:  # as an older merc called it
        row["label_history"] = row.pop("past_labels")
    for name in row:
        if name not in _FIELDS:
            raise MercError(
                f"{where}: unknown field {name!r}.{did_you_mean(name, _FIELDS)} The fields are: {', '.join(_FIELDS)}"
            )
    values: dict[str, Any] = {name: row.get(name) for name in _FIELDS}
    for name in ("id", "conversation"):
        if name not in row:
            raise MercError(f"{where}: the field {name!r} is missing")
        _check(isinstance(row[name], str), where, name, "a string", row[name])
    for name in ("split", "truth", "label", "text", "label_history"):
        _check(values[name] is None or isinstance(values[name], str), where, name, "a string or null", values[name])
    values["following"] = values["following"] or 0
    _check(is_count(values["following"]), where, "following", "a count", values["following"])
    chances = values["probabilities"]
    _check(_is_probabilities(chances), where, "probabilities", "an object of numbers by label, or null", chances)
    values["missing"] = {} if values["missing"] is None else values["missing"]
    _check(_is_texts(values["missing"]), where, "missing", "an object of reasons by stream", values["missing"])
    for name in ("truths", "values", "details"):
        values[name] = {} if values[name] is None else values[name]
        _check(isinstance(values[name], dict), where, name, "an object of values by name", values[name])
    return Prediction(**{_ATTRIBUTES[name]: value for name, value in values.items()})


def _check(right: bool, where: str, name: str, expected: str, value: object) -> None:
    if not right:
        raise MercError(f"{where}: {name!r} must be {expected}, not {value!r}")


def _is_probabilities(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, Mapping) and all(is_number(v) and math.isfinite(v) for v in value.values())


def _is_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(v, str) for v in value.values())
