"""Preferred answers as a file: read beside a corpus, each checked where it stands."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import merc

_SHOWN = 3
"""How many faults of a file are shown."""


@dataclass(frozen=True, kw_only=True)
class Preferences(merc.Corpus):
    """Another ``corpus`` with preferred answers from a file, for the prompter ``preference``: utterances get ``chosen``
    and ``rejected`` beside what they have.

    A line of the file is a JSON object: ``id`` (of the utterance), ``chosen`` (a text) and ``rejected`` (a text, or a
    list of them), the last two also within ``details``, as the decoder ``ranked`` has them written by ``merc predict``
    and ``merc evaluate``. A line whose ``details`` say why there is no pair (``unpaired``) is counted in a note, as are
    the labelled utterances of train that have none.
    """

    corpus: merc.Corpus
    """The corpus that has the utterances."""
    pairs: Path
    """The file of pairs, JSON Lines."""

    def load(self) -> merc.CorpusData:
        """The corpus with the pairs. Raises MercError, naming file and line, for a line that is no pair, an id that the
        corpus does not have or that two lines have, an empty answer, and answers that are the same."""
        data = self.corpus.load()
        ids = {u.id for talk in data.conversations for u in talk.utterances}
        pairs, unpaired = _read(self.pairs, ids)
        talks = [
            replace(
                talk,
                utterances=tuple(
                    replace(u, extra={**u.extra, **pairs[u.id]}) if u.id in pairs else u for u in talk.utterances
                ),
            )
            for talk in data.conversations
        ]
        notes = [f"{self.pairs}: {len(pairs)} pairs for {len(ids)} utterances"]
        notes += [f"{self.pairs}: {count} lines have no pair: {why}" for why, count in unpaired.most_common()]
        train = [u for talk in data.conversations if talk.split == "train" for u in talk.utterances if u.label]
        if without := [u for u in train if u.id not in pairs]:
            notes.append(f"{self.pairs}: {len(without)} of {len(train)} labelled train utterances have no pair")
        return replace(data, conversations=talks, notes=(*data.notes, *notes))


def checked_pair(
    chosen: Any, rejected: Any, names: tuple[str, str] = ("chosen", "rejected")
) -> tuple[str, tuple[str, ...]]:
    """A preferred answer and those that it is preferred to, without space around them. Raises ValueError with what is
    wrong.

    >>> checked_pair(" a smile", ["a frown", "rage"])
    ('a smile', ('a frown', 'rage'))
    >>> checked_pair("a smile", "a smile ")
    Traceback (most recent call last):
    ValueError: chosen and rejected are the same ('a smile'); take the pair out
    """
    best = _texts(chosen, names[0])
    if len(best) > 1:
        raise ValueError(f"{names[0]} is a list; give the one text that is preferred")
    worse = _texts(rejected, names[1])
    if best[0] in worse:
        raise ValueError(f"{names[0]} and {names[1]} are the same ({best[0]!r}); take the pair out")
    return best[0], worse


def _texts(value: Any, name: str) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) or value is None else value
    if not isinstance(texts, list | tuple) or not texts:
        raise ValueError(f"{name} is {value!r}; a text is wanted, or a list of texts")
    for text in texts:
        if text is not None and not isinstance(text, str):
            raise ValueError(f"{name} holds {text!r}; a text is wanted, or a list of texts")
        if not text or not text.strip():
            raise ValueError(f"{name} is {'missing' if text is None else 'empty'}; give it a text")
    return tuple(text.strip() for text in texts)


def _read(path: Path, ids: set[str]) -> tuple[dict[str, dict[str, Any]], Counter[str]]:
    """The pairs of a file by utterance, and why lines have none."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise merc.MercError(f"{path}, the file of preference pairs, cannot be read: {why}") from None
    pairs: dict[str, dict[str, Any]] = {}
    first: dict[str, int] = {}
    unpaired: Counter[str] = Counter()
    faults = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            name, record = _record(line, ids)
            if name in first:
                raise ValueError(f"utterance {name!r} stands in line {first[name]} already; keep one of the two")
            first[name] = number
            if why := _unpaired(record):
                unpaired[why] += 1
                continue
            chosen, rejected = checked_pair(record.get("chosen"), record.get("rejected"))
            pairs[name] = {"chosen": chosen, "rejected": list(rejected)}
        except ValueError as error:
            faults.append(f"{path}, line {number}: {error}")
    if faults:
        raise merc.MercError("\n".join(merc.first_lines(faults, _SHOWN)))
    if not pairs:
        raise merc.MercError(f"{path} holds no preference pair: {dict(unpaired) or 'it is empty'}")
    return pairs, unpaired


def _record(line: str, ids: set[str]) -> tuple[str, Mapping[str, Any]]:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError("is no JSON; a pair is an object with id, chosen and rejected") from None
    if not isinstance(record, dict) or not isinstance(name := record.get("id"), str):
        raise ValueError("has no 'id'; a pair is an object with id, chosen and rejected")
    if name not in ids:
        close = difflib.get_close_matches(name, sorted(ids), n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"the corpus has no utterance {name!r}.{hint}")
    details = record.get("details")
    return name, {**details, **record} if isinstance(details, dict) else record


def _unpaired(record: Mapping[str, Any]) -> str:
    why = record.get("unpaired")
    return why if isinstance(why, str) and "chosen" not in record else ""
