"""What of an answer is kept: texts of a usual size, without characters that nobody sees."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import replace

from merc.components.annotator import Annotation

MOST_BYTES = 64 * 1024
"""Of one text, in UTF-8: a description has some hundred bytes, so a larger answer is no description."""

_JOINERS = "\u200c\u200d"
"""Invisible, but part of how Persian words, and some emoji, are written."""

CLEANED = "characters that cannot be seen (control characters and their like) were taken out of its cues"


def visible(text: str) -> str:
    """A text without control characters, marks of writing direction and halves of surrogate pairs. Line breaks, tabs
    and what joins letters stay.

    >>> visible("She\\x1b[2J smi\\x00les\\r\\nand waves.\\u202e")
    'She[2J smiles\\nand waves.'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isprintable():
        return text
    return "".join(one for one in map(_shown, text) if one)


def _shown(character: str) -> str:
    if character in "\n\t" or character in _JOINERS:
        return character
    category = unicodedata.category(character)
    if category == "Cc" and character.isspace():
        return " "
    return "" if category in ("Cc", "Cf", "Cs") else character


def admit(answer: Annotation) -> tuple[Annotation, list[str]]:
    """An answer as it is kept, and what is to be said of the difference. A cue above MOST_BYTES is refused, and a raw
    answer above it is not kept; neither is cut."""
    remarks: list[str] = []
    raw = tuple(text if _size(text) <= MOST_BYTES else _not_kept(text) for text in answer.raw)
    if raw != answer.raw:
        remarks.append(f"raw answers above {MOST_BYTES:,} bytes are not kept")
    reason = " ".join(visible(answer.reason).split()) or "(the reason cannot be seen)" if answer.reason else None
    cues = {field: visible(text) for field, text in answer.cues.items()}
    if cues != dict(answer.cues):
        remarks.append(CLEANED)
    reason, cues = _refused(cues) if cues else (reason, cues)
    return replace(answer, cues=cues, reason=reason, raw=raw), remarks


def _refused(cues: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
    for field, text in cues.items():
        if _size(text) > MOST_BYTES:
            return f"the cue {field!r} has {_size(text):,} bytes; at most {MOST_BYTES:,} are kept", {}
    texts = {field: text for field, text in cues.items() if text.strip()}
    return (None, texts) if texts else ("its cues hold no character that can be seen", {})


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _not_kept(text: str) -> str:
    return f"(not kept: {_size(text):,} bytes; at most {MOST_BYTES:,} are)"
