"""What a file seems to be that is not what it was given as, and how it can be made so."""

from __future__ import annotations

import csv
import re
from typing import Any

from merc.builtin.plain_values import Problem, load_json

_LOOKED_AT = 1 << 16
_COLUMNS = 8
_BINARY = (
    (b"PAR1", "a Parquet file; name the corpus parquet"),
    (b"\x1f\x8b", "compressed (gzip); unpack it first"),
    (b"PK\x03\x04", "a spreadsheet or a zip archive; unpack it, or save its table as JSON Lines"),
    (b"SQLite format 3", "a database; export its rows as JSON Lines"),
    (b"%PDF", "a PDF"),
)
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_SUBTITLES = re.compile(r"\d\d:\d\d(?::\d\d)?[.,]\d{3} --> ")
_LINES = "merc reads JSON Lines (corpus jsonl: one conversation a line) and Parquet (one utterance a row)"


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
        return f"seems to be subtitles (SRT or WebVTT), which name neither conversations nor labels; {_LINES}"
    return _table(head)


def _whole_json(content: bytes) -> str | None:
    """What a file is that is one value of JSON."""
    try:
        value = load_json(content.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except (Problem, UnicodeDecodeError):
        return None
    if isinstance(value, dict):
        return (
            None if b"\n" not in content.strip() else "holds one JSON object over several lines; write it in one line"
        )
    first: Any = value[0] if value else None
    if isinstance(first, dict) and {"messages", "conversations"} & set(first) and "utterances" not in first:
        return (
            "seems to be chats for instruction tuning (sharegpt, LLaMA-Factory), whose turns are a user's and an "
            f"assistant's; {_LINES}"
        )
    what = " of conversations" if isinstance(first, dict) and "utterances" in first else ""
    return (
        f"is one JSON array{what}; write its elements as lines of their own, with: jq -c '.[]' FILE > FILE.jsonl"
        f"{'' if what else f'; {_LINES}'}"
    )


def _table(head: str) -> str | None:
    lines = [line for line in head.splitlines()[:20] if line.strip()]
    for mark, name in ((",", "commas"), (";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (" ", "spaces")):
        rows = list(csv.reader(lines, delimiter=mark))
        columns = [cell.strip()[:30] for cell in rows[0]] if rows else []
        # The last line may be cut, and a text between spaces is a table only where every line has as many cells.
        alike = all(len(row) == len(columns) for row in rows[1:5])
        if len(columns) > 1 and alike and (mark != " " or len(rows) > 1):
            more = f" and {len(columns) - _COLUMNS} more" if len(columns) > _COLUMNS else ""
            return f"seems to be a table (columns {', '.join(columns[:_COLUMNS])}{more}, between {name}); {_LINES}"
    return None
