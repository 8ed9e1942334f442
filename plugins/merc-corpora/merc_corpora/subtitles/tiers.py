"""Transcripts in tiers, as ELAN (.eaf) and Praat (.TextGrid) keep them: intervals with a text, tier by tier."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

import merc
from merc_corpora.text_files import decoded, fitting

_TOKEN = re.compile(r'(?<!\S)(?:"((?:[^"]|"")*)"|(<\w+>)|([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?))(?!\S)')


@dataclass(frozen=True)
class Tier:
    """A tier: its name, who speaks in it where the file says so, and its intervals as (start, end, text), in seconds.
    Intervals without a text are silence, and left out. ``unaligned`` counts those whose times are their neighbours'."""

    name: str
    speaker: str | None = None
    intervals: list[tuple[float, float, str]] = field(default_factory=list)
    unaligned: list[str] = field(default_factory=list)


def read_elan(path: Path, content: bytes) -> list[Tier]:
    """The tiers of an ELAN file, in its order. An annotation that refers to another has its times. Raises MercError
    for what is no such file, and for one that declares a document type, since it may hold entities without end."""
    parsed = _Elan(path)
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = parsed.start, parsed.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = parsed.text, parsed.doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise merc.MercError(
            f"{path}, line {error.lineno}: no XML ({expat.ErrorString(error.code)}); save it in ELAN again"
        ) from None
    except (LookupError, ValueError) as error:  # an encoding that there is not, or that expat does not take
        raise merc.MercError(f"{path}: no XML that can be read ({error}); save it in ELAN again") from None
    if not parsed.tiers:
        raise merc.MercError(f"{path} holds no tier; an ELAN file has some")
    return parsed.finished()


class _Elan:
    """What was met so far of an ELAN file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.slots: dict[str, float | None] = {}
        self.tiers: list[tuple[Tier, list[tuple[str, tuple[str, ...], str]]]] = []
        self.annotation: tuple[str, tuple[str, ...]] | None = None
        self.value: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "TIME_SLOT":
            value = attributes.get("TIME_VALUE")
            self.slots[attributes.get("TIME_SLOT_ID", "")] = None if value is None else self._milliseconds(value)
        elif name == "TIER":
            self.tiers.append((Tier(attributes.get("TIER_ID", ""), attributes.get("PARTICIPANT") or None), []))
        elif name == "ALIGNABLE_ANNOTATION":
            slots = (attributes.get("TIME_SLOT_REF1", ""), attributes.get("TIME_SLOT_REF2", ""))
            self.annotation = (attributes.get("ANNOTATION_ID", ""), slots)
        elif name == "REF_ANNOTATION":
            self.annotation = (attributes.get("ANNOTATION_ID", ""), (attributes.get("ANNOTATION_REF", ""),))
        elif name == "ANNOTATION_VALUE":
            self.value = []

    def end(self, name: str) -> None:
        if name == "ANNOTATION_VALUE" and self.annotation is not None and self.tiers:
            self.tiers[-1][1].append((*self.annotation, "".join(self.value or ()).strip()))
            self.value = None

    def text(self, words: str) -> None:
        if self.value is not None:
            self.value.append(words)

    def doctype(self, *_: Any) -> None:
        raise merc.MercError(f"{self.path} declares a document type, which no ELAN file does; save it in ELAN again")

    def finished(self) -> list[Tier]:
        known = {name: refs for _, values in self.tiers for name, refs, _ in values}
        order = list(self.slots)
        places = {slot: place for place, slot in enumerate(order)}
        for tier, values in self.tiers:
            for name, refs, text in values:
                start, end = self._slots(name, refs, known)
                times = [self._time(start, places, order, -1), self._time(end, places, order, 1)]
                if text and None in times:
                    raise merc.MercError(f"{self.path}: the annotation {name!r} of tier {tier.name!r} has no times")
                if text:
                    tier.intervals.append((times[0], times[1], text))  # type: ignore[arg-type]
                    tier.unaligned.extend([name] * (None in (self.slots[start], self.slots[end])))
        return [tier for tier, _ in self.tiers]

    def _slots(self, name: str, refs: tuple[str, ...], known: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
        """The two slots of an annotation: its own, or those of the one that it refers to."""
        seen = {name}
        while len(refs) == 1:
            if refs[0] in seen or refs[0] not in known:
                raise merc.MercError(f"{self.path}: the annotation {name!r} refers to {refs[0]!r}, which has no times")
            seen.add(refs[0])
            refs = known[refs[0]]
        return refs

    def _time(self, slot: str, places: dict[str, int], order: list[str], step: int) -> float | None:
        """The time of a slot; of one without a time that of the next one, outwards, that has one."""
        place = places.get(slot, -1)
        while 0 <= place < len(order):
            if (time := self.slots[order[place]]) is not None:
                return time
            place += step
        return None

    def _milliseconds(self, value: str) -> float:
        if not re.fullmatch(r"\d{1,12}", value):
            raise merc.MercError(f"{self.path}: the time {value[:20]!r} is no number of milliseconds")
        return int(value) / 1000


def read_textgrid(path: Path, content: bytes) -> list[Tier]:
    """The tiers of a TextGrid, long or short, in UTF-8 or, as Praat writes it with its mark, in UTF-16. Points become
    no interval, so tiers of points are left out. Raises MercError for what is no TextGrid."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        text = decoded(content, encoding)
    except UnicodeError:
        likely = "".join(f"; it may be in {name} ({words})" for name, words in fitting(content)[:1])
        raise merc.MercError(f"{path} is in neither UTF-8 nor UTF-16{likely}; save it in Praat again") from None
    tokens = _Tokens(path, text)
    if tokens.text() != "ooTextFile" or tokens.text() not in ("TextGrid", "TextGrid2"):
        raise merc.MercError(f"{path} is no TextGrid of Praat (a text file of class TextGrid)")
    tokens.number(), tokens.number()
    tiers = []
    if tokens.flag() == "<exists>":
        for _ in range(tokens.count()):
            kind, tier = tokens.text(), Tier(tokens.text())
            tokens.number(), tokens.number()
            for _ in range(tokens.count()):
                start = tokens.number()
                end = tokens.number() if kind == "IntervalTier" else start
                words = tokens.text().strip()
                if words and end > start:
                    tier.intervals.append((start, end, words))
            tiers.append(tier)
    return tiers


class _Tokens:
    """The texts, numbers and flags of a file of Praat. Whatever else stands there is for people to read."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.tokens = _TOKEN.finditer(text)
        self.seen = 0

    def text(self) -> str:
        return self._next(1, "a text in quotes").replace('""', '"')

    def flag(self) -> str:
        return self._next(2, "a flag")

    def number(self) -> float:
        return float(self._next(3, "a number"))

    def count(self) -> int:
        return int(self.number())

    def _next(self, group: int, expected: str) -> str:
        match = next(self.tokens, None)
        self.seen += 1
        if match is None or match[group] is None:
            state = "it ends" if match is None else f"{match[0][:30]!r} stands"
            raise merc.MercError(
                f"{self.path} is no whole TextGrid: {state} where {expected} should; save it in Praat again"
            )
        return match[group]
