"""The fields of a JSON object, read one by one, with every fault kept."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from merc.builtin.plain_values import Problem, control_in, fault_of, load_json
from merc.conversation import NO_REGION, Region

CONVERSATION = ("id", "split", "dataset", "utterances")
UTTERANCE = (
    "id", "speaker", "text", "label", "labels", "sentiment", "intention", "video", "audio", "start", "end", "cut",
    "region", "valence", "open_labels", "values", "cues", "missing",
)  # fmt: skip

_OWN_FIELDS = frozenset({*UTTERANCE, "last"} - {"valence", "values"})
"""What no value may be called: what a metric finds by these names is another thing."""

_NAMES = {str: "a text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


def read_object(line: str) -> dict[str, Any]:
    """The object that a line holds.

    >>> read_object('[1, 2]')
    Traceback (most recent call last):
    merc.builtin.plain_values.Problem: holds a list; a line holds one conversation, an object in braces
    """
    value = load_json(line, "; write one conversation a line")
    if not isinstance(value, dict):
        raise Problem(f"holds {kind_of(value)}; a line holds one conversation, an object in braces")
    return value


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    return "null" if value is None else _NAMES[type(value)]


@lru_cache(maxsize=4096)
def close_field(name: str, known: tuple[str, ...]) -> str | None:
    """The known field that a name looks like a misspelling of: other capitals or dashes, or a letter or two wrong.

    >>> close_field("vidoe", UTTERANCE), close_field("openLabels", UTTERANCE), close_field("text_zh", UTTERANCE)
    ('video', 'open_labels', None)
    """

    def plain(text: str) -> str:
        return text.lower().replace("_", "").replace("-", "").replace(" ", "")

    for field in known:
        allowed = 2 if len(field) > 6 else 1 if len(field) > 3 else 0
        if plain(name) == plain(field):
            return field
        if abs(len(name) - len(field)) <= allowed and _edits(name.lower(), field) <= allowed:
            return field
    return None


class Fields:
    """Reads fields with their types. A fault is noted in ``faults``; its value counts as absent, as ``null`` does."""

    def __init__(self, record: dict[str, Any], known: tuple[str, ...]) -> None:
        self.record = {key: value for key, value in record.items() if value is not None}
        self.known = known
        self.faults: list[str] = []
        self.unusable: set[str] = set()
        for key, value in list(self.record.items()):
            # Those of the utterances are found when these are read, and name them.
            fault = fault_of(key) or (None if key == "utterances" else fault_of(value))
            if fault:
                self.faults.append(f"{key!r} {fault}")
                self.unusable.add(key)
                del self.record[key]

    def text(self, name: str, required: bool = False, empty: bool = False) -> str | None:
        """A text; not empty unless that is allowed."""
        value = self.record.get(name)
        if value is None:
            if required and name not in self.unusable:
                self.faults.append(f"lacks {name!r}, a text")
            return None
        if not isinstance(value, str):
            self._wrong(name, "a text", value)
            return None
        if empty:
            return value
        if not value.strip():
            self.faults.append(f"{name!r} is empty; {'write it' if required else 'leave it out where there is none'}")
            return None
        if fault := control_in(value):
            self.faults.append(f"{name!r} {fault}")
            return None
        return value

    def label(self, name: str) -> str | None:
        """A text that names a class, without the space around it."""
        value = self.record.get(name)
        if isinstance(value, str):
            self.record[name] = value.strip()
        return self.text(name)

    def number(self, name: str, least: float | None = None) -> float | None:
        """A finite number."""
        value = self.record.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._wrong(name, "a number", value)
            return None
        if least is not None and value < least:
            self.faults.append(f"{name!r} must be at least {least:g}, not {value:g}")
            return None
        return float(value)

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        """One of a few words."""
        value = self.text(name)
        if value is not None and value not in choices:
            self.faults.append(f"{name!r} is {value!r}; it must be one of {', '.join(choices)}")
            return None
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """A list of texts, each without the space around it."""
        value = self.record.get(name, [])
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            self._wrong(name, "a list of texts", value)
            return ()
        return tuple(word.strip() for word in value)

    def region(self, name: str) -> Region | None:
        """A part of the picture: left, top, right and bottom, as fractions of it."""
        value = self.record.get(name)
        if value is None:
            return None
        numbers = isinstance(value, list) and [
            float(one) for one in value if isinstance(one, int | float) and not isinstance(one, bool)
        ]
        if numbers and len(numbers) == len(value) == 4:
            left, top, right, bottom = numbers
            if 0 <= left < right <= 1 and 0 <= top < bottom <= 1:
                return left, top, right, bottom
        self.faults.append(f"{name!r}: {NO_REGION}, not {json.dumps(value)}")
        return None

    def texts(self, name: str) -> dict[str, str]:
        """An object whose values are texts; those that are null are left out."""
        value = self.record.get(name, {})
        if not isinstance(value, dict) or not all(text is None or isinstance(text, str) for text in value.values()):
            self._wrong(name, "an object of texts", value)
            return {}
        return {key: text for key, text in value.items() if text is not None}

    def values(self, name: str) -> dict[str, float | tuple[str, ...]]:
        """An object of numbers, and of lists of texts; those that are null are left out."""
        numbers = self.record.get(name, {})
        if not isinstance(numbers, dict):
            self._wrong(name, "an object of numbers and of lists of texts", numbers)
            return {}
        values: dict[str, float | tuple[str, ...]] = {}
        for key, value in numbers.items():
            if key in _OWN_FIELDS:
                self.faults.append(f"{name!r} has {key!r}, which is no value but a field of its own; write it there")
            elif not key.strip() or control_in(key):
                self.faults.append(f"{name!r} has a name that is empty or holds a control character: {key!r}")
            elif isinstance(value, int | float) and not isinstance(value, bool):
                values[key] = float(value)
            elif isinstance(value, list) and all(isinstance(word, str) for word in value):
                values[key] = tuple(word.strip() for word in value)
            elif value is not None:
                self.faults.append(f"{name}.{key} must be a number or a list of texts, not {_shown(value)}")
        if "valence" in values and self.record.get("valence") is not None:
            self.faults.append(f"'valence' stands beside {name}.valence; keep one of them")
        return values

    def objects(self, name: str) -> list[dict[str, Any]]:
        """A list of at least one object."""
        value = self.record.get(name)
        if value is None:
            self.faults.append(f"lacks {name!r}, a list of objects")
        elif not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self._wrong(name, "a list of objects", value)
        elif not value:
            self.faults.append(f"{name!r} is empty; a conversation has at least one utterance")
        else:
            return value
        return []

    def extra(self) -> dict[str, Any]:
        """The fields that are not known. One that looks like a misspelling of a known field is a fault."""
        extra = {}
        for name, value in self.record.items():
            if name not in self.known:
                close = close_field(name, self.known)
                if close is not None:
                    self.faults.append(
                        f"unknown field {name!r}. Did you mean {close!r}? (Fields of your own may have any other name)"
                    )
                extra[name] = value
        return extra

    def _wrong(self, name: str, expected: str, value: Any) -> None:
        self.faults.append(f"{name!r} must be {expected}, not {_shown(value)}")


def _shown(value: Any) -> str:
    """A value as the file has it, cut to what a sentence takes."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = kind_of(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _edits(one: str, other: str) -> int:
    """How many letters to insert, delete, change or swap with their neighbour to come from one word to the other."""
    above: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        above, last, row = row, above, [i]
        for j, b in enumerate(other, start=1):
            best = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]
