"""Values as JSON has them: read, and looked through for what no file, clip or model can take."""

from __future__ import annotations

import json
import math
import re
from typing import Any

DEEPEST = 32
"""How many lists and objects may stand in each other within a field."""
_DIGITS = 300
_HALF = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")


class Problem(Exception):
    """Faults of one line or row, each a sentence."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = sentences


def load_json(text: str, remedy: str = "") -> Any:
    """The value that a text of JSON holds. Raises Problem for what is no JSON (``remedy`` ends its sentence), a key
    that occurs twice in an object, and numbers that are not finite or longer than any computer takes.

    >>> load_json('{"a": 1e999}')
    Traceback (most recent call last):
    merc.builtin.plain_values.Problem: not JSON: 1e999 is no number there; write null where there is none
    """
    try:
        return json.loads(
            text, parse_constant=_no_constant, parse_int=_whole, parse_float=_finite, object_pairs_hook=_no_field_twice
        )
    except json.JSONDecodeError as error:
        raise Problem(f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}{remedy}") from None
    except RecursionError:
        raise Problem(f"brackets are nested too deeply; at most {DEEPEST} levels are read") from None


def fault_of(value: Any, depth: int = 0) -> str | None:
    """What makes a value unusable, as the end of a sentence that begins with its name; ``None`` for a usable one.

    >>> fault_of({"said": ["Hi \\ud83d"]})
    'holds half a character (\\\\ud83d); write the whole one, or U+FFFD in its place'
    """
    if isinstance(value, str):
        if half := _HALF.search(value):
            return f"holds half a character (\\u{ord(half[0]):04x}); write the whole one, or U+FFFD in its place"
        return "holds a NUL character (\\u0000); take it out" if "\0" in value else None
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be a finite number, not {value}; leave it empty where there is none"
    if isinstance(value, dict | list):
        if depth >= DEEPEST:
            return f"is nested too deeply; at most {DEEPEST} levels are read"
        inside = [*value, *value.values()] if isinstance(value, dict) else value
        return next((fault for one in inside if (fault := fault_of(one, depth + 1))), None)
    return None


def control_in(name: str) -> str | None:
    """The fault of a name that holds a control character, as the end of a sentence; ``None`` for one that holds none.

    >>> control_in("Ana\\x1b[2J"), control_in("Ana")
    ('holds a control character (\\\\u001b); take it out', None)
    """
    control = _CONTROL.search(name)
    return f"holds a control character (\\u{ord(control[0]):04x}); take it out" if control else None


def _no_constant(name: str) -> Any:
    raise Problem(f"not JSON: {name} is no number there; write null where there is none")


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise Problem(f"holds a number of {len(digits)} digits ({digits[:10]}...); at most {_DIGITS} are read")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _no_constant(digits if len(digits) <= 20 else f"{digits[:20]}...")


def _no_field_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Problem(f"the field {twice!r} occurs twice in one object")
    return record
