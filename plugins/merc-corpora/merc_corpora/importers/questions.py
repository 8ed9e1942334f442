"""JSON files of questions, read with faults that name the file and the entry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import merc
from merc_corpora.importers.tables import read_text

Entry = tuple[str, Mapping[str, Any]]
"""Where an entry stands, and what it holds."""


def entries_of(path: Path, keys: Sequence[str] = ()) -> Iterator[Entry]:
    """The objects of a JSON list, or of JSON Lines by the suffix .jsonl, each with ``keys``. Raises MercError for what
    is none."""
    text = read_text(path)
    if path.suffix == ".jsonl":
        lines = [(f"{path}, line {n}", line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
        held = [(where, _parsed(line, where)) for where, line in lines]
    else:
        listed = _parsed(text, str(path))
        if not isinstance(listed, list):
            raise merc.MercError(f"{path}: a list of questions was expected, not {type(listed).__name__}")
        held = [(f"{path}, entry {n}", one) for n, one in enumerate(listed, start=1)]
    if not held:
        raise merc.MercError(f"{path} holds no question; get the file anew")
    for where, one in held:
        if not isinstance(one, dict):
            raise merc.MercError(f"{where}: an object was expected, not {type(one).__name__}")
        lacking = [key for key in keys if key not in one]
        if lacking:
            raise merc.MercError(f"{where} lacks {', '.join(lacking)}; its keys are {', '.join(map(str, one))}")
        yield where, one


def text_of(entry: Entry, key: str) -> str:
    """A text that may not be empty; a number stands for its digits. Raises MercError for anything else."""
    where, held = entry
    value = held[key]
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise merc.MercError(f"{where}: {key!r} is {value!r}; a text was expected")
    return value.strip()


def texts_of(entry: Entry, key: str) -> list[str]:
    """A list of texts, one at least. Raises MercError for anything else."""
    where, held = entry
    value = held[key]
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one.strip() for one in value):
        raise merc.MercError(f"{where}: {key!r} is {value!r}; a list of texts was expected")
    return [one.strip() for one in value]


def joined(parts: Mapping[str, merc.CorpusData], notes: Sequence[str] = ()) -> merc.CorpusData:
    """Several sets of one benchmark together, each with its label space, notes and counts."""
    return merc.CorpusData(
        conversations=[talk for one in parts.values() for talk in one.conversations],
        spaces={name: one.labels for name, one in parts.items() if one.labels is not None},
        notes=(*notes, *(f"{name}: {note}" for name, one in parts.items() for note in one.notes)),
        counts=[count for one in parts.values() for count in one.counts],
    )


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise merc.MercError(f"{where}: not JSON ({error.msg} at line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise merc.MercError(f"{where}: its values are nested too deep") from None
