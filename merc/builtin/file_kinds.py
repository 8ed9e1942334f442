"""What a file seems to be that is not what it was given as, and how it can be made so."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from typing import Any

from merc.builtin.plain_values import Problem, load_json
from merc.errors import first_names

_LOOKED_AT = 1 << 16
_COLUMNS = 8
_BINARY = (
    (b"PAR1", "a Parquet file; name the corpus parquet"),
    (b"\x1f\x8b", "compressed (gzip); unpack it first"),
    (b"PK\x03\x04", "a workbook (.xlsx) or a zip archive; unpack it, or save its sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old workbook (.xls); save its sheet as CSV UTF-8"),
    (b"SQLite format 3", "a database; export its rows as a CSV table"),
    (b"%PDF", "a PDF"),
)
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_CHATS = "seems to be chats for instruction tuning, whose turns are a user's and an assistant's"
_SUBTITLES = re.compile(r"\d\d:\d\d(?::\d\d)?[.,]\d{3} --> ")


def seems(content: bytes) -> str | None:
    """What a file that is no JSON Lines seems to be and what to do, as the end of a sentence that begins with its name;
    ``None`` where that is unknown.

    >>> seems(b"dialogue,text,emotion\\n0,Hi.,joy\\n")[:69]
    'seems to be a table (columns dialogue, text, emotion, between commas)'
    """
    for mark, what in _BINARY:
        if content.startswith(mark):
            return f"seems to be {what}"
    if content.startswith(_WIDE) or (len(content) > 3 and content[:2].count(0) == content[2:4].count(0) == 1):
        return "seems to be in UTF-16; save it in UTF-8"
    head = content[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace").lstrip()
    if head[:1] in ("[", "{"):
        return _whole_json(content)
    if head.startswith("WEBVTT") or _SUBTITLES.search(head[:2000]):
        return "seems to be subtitles (SRT or WebVTT)"
    return _table(head)


def _whole_json(content: bytes) -> str | None:
    """What a file is that is one value of JSON."""
    text = content.removeprefix(b"\xef\xbb\xbf")
    try:
        value = load_json(text.decode("utf-8"))
    except (Problem, UnicodeDecodeError) as error:
        return f"seems to be one JSON array, and cannot be read ({error})" if text.lstrip()[:1] == b"[" else None
    if isinstance(value, dict):
        one_line = b"\n" not in content.strip()
        return seems_object(value) if one_line else "holds one JSON object over several lines; write it in one line"
    first: Any = value[0] if value else None
    if isinstance(first, dict) and {"messages", "conversations"} & set(first) and "utterances" not in first:
        return _CHATS
    if isinstance(first, dict) and not any(isinstance(one, list | dict) for one in first.values()):
        return f"is one JSON array of rows with {_some(list(first))}, and not of conversations"
    return "is one JSON array, and not of conversations, objects with 'utterances'"


def seems_object(record: Mapping[str, Any]) -> str | None:
    """What the lines of a file seem to be of which this object is the first, where it is no conversation; ``None`` for
    one that is meant as such.

    >>> seems_object({"text": "Hi.", "emotion": "joy"})
    "holds JSON objects with text, emotion, and not conversations, objects with 'utterances'"
    """
    if {"id", "utterances", "labels"} & set(record) and not {"messages", "conversations"} & set(record):
        return None
    if {"messages", "conversations", "conversation", "query"} & set(record):
        return _CHATS
    return f"holds JSON objects with {_some(list(record))}, and not conversations, objects with 'utterances'"


def _some(names: Sequence[str]) -> str:
    return first_names([name[:30] for name in names], _COLUMNS) or "nothing"


def _table(head: str) -> str | None:
    lines = [line for line in head.splitlines()[:20] if line.strip()]
    for mark, name in ((",", "commas"), (";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (" ", "spaces")):
        rows = list(csv.reader(lines, delimiter=mark))
        columns = [cell.strip()[:30] for cell in rows[0]] if rows else []
        # The last line may be cut, and a text between spaces is a table only where every line has as many cells.
        alike = all(len(row) == len(columns) for row in rows[1:5])
        if len(columns) > 1 and alike and (mark != " " or len(rows) > 1):
            return f"seems to be a table (columns {_some(columns)}, between {name})"
    return None
