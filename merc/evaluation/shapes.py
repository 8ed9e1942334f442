"""Whether what stands in a run's JSON files has the form in which merc wrote it, before anything is drawn from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_MOST = 2**53
"""Counts beyond this are no counts of anything, and no floats either."""

_COUNTS = ("n", "unlabelled", "following")
_SHARES = ("accuracy", "weighted_f1", "macro_f1", "uar", "unparsed_rate")
_TEXTS = ("label_history", "of")
_LOG_TEXTS = ("event", "stage", "stream", "split", "text", "time")
_LOG_COUNTS = ("step", "steps", "encoded", "tokens")
_LOG_NUMBERS = ("loss", "lr", "grad_norm", "utterances_per_second", "epoch", "seconds")


def is_count(value: object) -> bool:
    """Whether a value is a whole number of things."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST


def is_number(value: object) -> bool:
    """Whether a value is a number, which may be infinite or NaN, that a float can hold."""
    return isinstance(value, float) or is_count(value)


def odd_number(numbers: Mapping[str, Any], where: str) -> str:
    """What is not as a metric of merc writes it in the numbers of a split, or of a metric: its place and what was
    expected there. Empty where all is as it should be; what merc does not know may be anything."""
    for name in _COUNTS:
        if not is_count(numbers.get(name, 0)):
            return f"{where}.{name} is no count"
    for name in _SHARES:
        value = numbers.get(name, 0.0)
        if value is not None and not (is_number(value) and math.isfinite(value)):
            return f"{where}.{name} is no finite number"
    for name in _TEXTS:
        if not isinstance(numbers.get(name, ""), str):
            return f"{where}.{name} is no text"
    if not _is_texts(numbers.get("averaged_over", [])):
        return f"{where}.averaged_over is no list of labels"
    per_class = numbers.get("per_class", {})
    if not _is_table(per_class) or not all(is_count(own.get("support", 0)) for own in per_class.values()):
        return f"{where}.per_class holds no numbers by label"
    if "confusion" in numbers and not _is_confusion(numbers["confusion"]):
        return f"{where}.confusion is no matrix of counts with its labels"
    if "corrupt" in numbers and not _is_rows(numbers["corrupt"]):
        return f"{where}.corrupt is no list of rows with their numbers"
    further = {name: value for name, value in numbers.items() if name not in ("per_class", "confusion")}
    inside = (odd_number(own, f"{where}.{name}") for name, own in further.items() if isinstance(own, dict))
    return next(filter(None, inside), "")


def is_record(record: object) -> bool:
    """Whether a line of a log is a record as merc writes it."""
    if not isinstance(record, dict):
        return False
    missing = record.get("missing") or []
    return (
        all(isinstance(record.get(name), str | None) for name in _LOG_TEXTS)
        and all(is_count(record.get(name) or 0) for name in _LOG_COUNTS)
        and all(is_number(record.get(name) or 0) for name in _LOG_NUMBERS)
        and isinstance(record.get("metrics") or {}, dict)
        and all(is_number(v) or not isinstance(v, int | float) for v in (record.get("metrics") or {}).values())
        and isinstance(missing, list)
        and all(isinstance(one, dict) for one in missing)
    )


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_table(value: object) -> bool:
    rows = value.values() if isinstance(value, dict) else [None]
    return all(
        isinstance(row, dict) and all(v is None or (is_number(v) and math.isfinite(v)) for v in row.values())
        for row in rows
    )


def _is_rows(value: object) -> bool:
    """Whether a value is what an evaluation with worse media and words writes, a row for each severity."""
    return isinstance(value, list) and all(
        isinstance(row, dict)
        and all(isinstance(row.get(name), str) for name in ("corruption", "unit"))
        and is_number(row.get("severity"))
        and math.isfinite(row["severity"])
        and all(is_count(row.get(name)) for name in ("touched", "utterances"))
        and _is_texts(row.get("streams"))
        and isinstance(row.get("missing"), dict)
        and all(_is_table({"": row.get(name)}) for name in ("numbers", "drop"))
        and None not in row["numbers"].values()
        for row in value
    )


def _is_confusion(value: object) -> bool:
    if not isinstance(value, dict) or not _is_texts(value.get("labels")):
        return False
    matrix, unparsed = value.get("matrix"), value.get("unparsed")
    size = len(value["labels"])
    if not isinstance(matrix, list) or len(matrix) != size or not isinstance(unparsed, list):
        return False
    return all(isinstance(row, list) and len(row) == size and all(map(is_count, row)) for row in [*matrix, unparsed])
