"""What a teacher answered: JSON checked against a schema, and the fault named when it does not fit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from merc import Annotation, first_lines
from merc_bemerc.behaviour import FIELDS, WORDS
from merc_bemerc.language import other_language

LONGEST = 2 * WORDS
"""Descriptions up to twice as long as asked for are taken."""

_BLANK = {
    "",
    "-",
    "...",
    "…",
    "n/a",
    "na",
    "none",
    "null",
    "nothing",
    "unknown",
    "not visible",
    "not applicable",
    "string",
}
_NAMED = 5


class Fault(Exception):
    """An answer does not fit; the message says why, in words that a teacher can act on."""


def schema_of(fields: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of an answer: an object with these texts, each ``null`` where nothing could be seen."""
    texts = {name: {"type": ["string", "null"]} for name in fields}
    return {"type": "object", "properties": texts, "required": list(fields), "additionalProperties": False}


def read(answer: str, cut: bool = False, fields: Sequence[str] = FIELDS) -> dict[str, str]:
    """The cues in an answer that should have these fields; ``cut`` says that it was cut off at its longest. Raises
    Fault.

    The object may stand in a code fence or among words; there must be exactly one.

    >>> read('{"face": "She smiles.", "body": null, "posture": "She sits upright."}')
    {'face': 'She smiles.', 'posture': 'She sits upright.'}
    >>> read("She smiles.")
    Traceback (most recent call last):
    merc_bemerc.answers.Fault: the answer is prose without a JSON object
    """
    # what a reasoning model thought first is kept with its answer, and is no part of it
    answered = json_object(answer.rpartition("</think>")[2], cut)
    faults = [f"{name} is missing" for name in fields if name not in answered]
    faults += [_not_a_text(name, answered[name]) for name in fields if not isinstance(answered.get(name), str | None)]
    faults += [f"{name[:60]!r} is none of the keys {', '.join(fields)}" for name in answered if name not in fields]
    if faults:
        raise Fault("; ".join(first_lines(faults, _NAMED)))
    texts = {name: answered[name] for name in fields}
    cues = {name: " ".join(text.split()) for name, text in texts.items() if text is not None}
    for name, text in cues.items():
        if text.strip(". ").lower() in _BLANK:
            raise Fault(f"{name} says {text!r}; what cannot be seen is null")
        if len(text.split()) > LONGEST:
            raise Fault(f"{name} has {len(text.split())} words; it should have at most {WORDS}")
    if other := other_language(" ".join(cues.values())):
        raise Fault(f"the descriptions are not in English ({other})")
    return cues


def ask_again(fault: Fault, fields: Sequence[str] = FIELDS) -> str:
    """The message to the teacher after an answer that does not fit."""
    return (
        f"This answer cannot be used: {fault}. Answer again with the JSON object alone, with the keys "
        f"{', '.join(fields)}, each an English text or null."
    )


def accepted(cues: Mapping[str, str], raw: Sequence[str]) -> Annotation:
    """The annotation of an answer that fits."""
    if cues:
        return Annotation(cues=dict(cues), raw=tuple(raw))
    return Annotation(reason="the teacher saw nothing of what it was asked to describe", raw=tuple(raw))


def refused(fault: Fault, raw: Sequence[str], cut: bool = False) -> Annotation:
    """The annotation of a teacher none of whose answers fits: final for as many ``attempts``, and for ``max_tokens``
    where an answer was ``cut`` off there, since asking the same again gives the same."""
    times = f"{len(raw)} answers fit" if len(raw) > 1 else "its answer does not fit"
    which = f"none of the teacher's {times}; of the last" if len(raw) > 1 else f"the teacher gave no cue: {times}"
    reached = ("attempts", "max_tokens") if cut else ("attempts",)
    return Annotation(reason=f"{which}: {fault}", raw=tuple(raw), reached=reached)


def json_object(answer: str, cut: bool = False) -> dict[str, Any]:
    """The one JSON object in an answer, which may stand in a code fence or among words; ``cut`` says that the answer
    was cut off at its longest. Raises Fault.

    >>> json_object('Here it is: {"score": 7}')
    {'score': 7}
    """
    if not answer.strip():
        raise Fault("the answer is empty")
    objects: list[dict[str, Any]] = []
    decoder = json.JSONDecoder(object_pairs_hook=_each_key_once)
    at = answer.find("{")
    if at < 0:
        raise Fault("the answer is prose without a JSON object")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(answer, at)
        except RecursionError:
            raise Fault("the JSON is nested too deeply; the object holds texts alone") from None
        except json.JSONDecodeError as error:
            if cut or error.pos >= len(answer.rstrip()) or error.msg.startswith("Unterminated string"):
                raise Fault("the answer breaks off within the JSON object") from None
            raise Fault(f"the JSON is broken at character {error.pos + 1}: {error.msg}") from None
        except ValueError:  # Python reads no number of more than 4,300 digits
            raise Fault("the JSON holds a number that cannot be read") from None
        objects.append(value)
        at = answer.find("{", end)
    if len(objects) > 1:
        raise Fault(f"the answer holds {len(objects)} JSON objects; it should hold one")
    return objects[0]


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for key, count in Counter(key for key, _ in pairs).items():
        if count > 1:
            raise Fault(f"the key {key[:60]!r} stands twice")
    return dict(pairs)


def _not_a_text(name: str, value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)[:60]
    except RecursionError:
        text = "something nested"
    return f"{name} should be a text or null, not {text}"
