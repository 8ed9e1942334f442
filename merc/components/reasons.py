"""Reasons why something is missing, counted by what they say, whatever file it is said of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_FILE = re.compile(
    r"^\S.*?\.(?:mp4|m4v|mkv|avi|webm|mov|wmv|flv|mpe?g|ts|wav|flac|mp3|m4a|aac|ogg|opus|aiff?)(?=[: ])", re.IGNORECASE
)
_SHOWN = 3
_NUMBER = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True)
class ReasonCount:
    """What a reason says, and the names of what it is said of."""

    text: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.names):,} × {self.text}"


def count_reasons(reasons: Iterable[tuple[str, str]]) -> list[ReasonCount]:
    """The reasons of (name, reason) pairs, most frequent first. Those that differ by the name of a file and by numbers
    alone are one, in which dots stand for what differs.

    >>> [str(one) for one in count_reasons([("u", "a.mp4 has no audio track"), ("v", "b.mp4 has no audio track")])]
    ['2 × … has no audio track']
    """
    by_kind: dict[str, dict[str, list[str]]] = {}
    for name, reason in reasons:
        bare = _FILE.sub("…", reason)
        by_kind.setdefault(_NUMBER.sub("…", bare), {}).setdefault(reason, []).append(name)
    counts = []
    for kind, same in by_kind.items():
        bare_forms = {_FILE.sub("…", reason) for reason in same}
        text = next(iter(same)) if len(same) == 1 else next(iter(bare_forms)) if len(bare_forms) == 1 else kind
        counts.append(ReasonCount(text, tuple(name for names in same.values() for name in names)))
    return sorted(counts, key=lambda one: -len(one.names))


def say_missing(what: str, total: int, reasons: Iterable[tuple[str, str]], lacking: str = "features") -> str:
    """One sentence: how many of how many lack something, and the commonest reasons.

    >>> say_missing("voice", 3, [("u", "a.mp4 has no audio track"), ("v", "b.mp4 has no audio track")])
    'voice: 2 of 3 utterances have no features: 2 × … has no audio track'
    """
    counts = count_reasons(reasons)
    missing = sum(len(one.names) for one in counts)
    have = "utterance has" if total == 1 else "utterances have"
    rest = len(counts) - _SHOWN
    more = f"; and {rest} other reason{'s' * (rest > 1)}" if rest > 0 else ""
    return f"{what}: {missing} of {total} {have} no {lacking}: {'; '.join(map(str, counts[:_SHOWN]))}{more}"
