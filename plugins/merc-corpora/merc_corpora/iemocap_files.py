"""The text files of IEMOCAP: what was said and when, and what its annotators heard in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import merc
from merc_corpora.repairs import decode, mend

EMOTIONS = {
    "neu": "neutral", "hap": "happy", "sad": "sad", "ang": "angry", "exc": "excited", "fru": "frustrated",
    "sur": "surprised", "fea": "fearful", "dis": "disgusted", "oth": "other",
}  # fmt: skip
"""The labels by the codes that the evaluation files use."""
UNDECIDED = "xxx"
"""The code of an utterance that no label has a majority for."""

_VOTES = {
    "neutral": "neutral", "neutral state": "neutral", "happiness": "happy", "sadness": "sad", "anger": "angry",
    "excited": "excited", "excitement": "excited", "frustration": "frustrated", "surprise": "surprised",
    "fear": "fearful", "disgust": "disgusted", "other": "other",
}  # fmt: skip

_SAID = re.compile(r"(Ses\d\d[FM]_\w+_[FM]\w*) \[ *(\d+(?:\.\d+)?) *- *(\d+(?:\.\d+)?) *\]: ?(.*)")
_JUDGED = re.compile(
    r"\[(\d+(?:\.\d+)?) - (\d+(?:\.\d+)?)\]\t(\S+)\t(\w+)\t\[(\d(?:\.\d+)?), (\d(?:\.\d+)?), (\d(?:\.\d+)?)\]"
)
_VOTE = re.compile(r"C-([A-Z]\d*):\s*([^()]*)")


@dataclass(frozen=True)
class TranscriptLine:
    """A line of a transcription. ``where`` names file and line."""

    name: str
    start: float
    end: float
    text: str
    where: str


@dataclass(frozen=True)
class Judged:
    """What an evaluation file says of an utterance: the code of its label; valence, activation and dominance, each the
    mean of judgements from 1 to 5; and who voted for which emotions, the evaluators (E1, E2, ...) and the actors
    themselves (F1, M1, ...)."""

    name: str
    start: float
    end: float
    code: str
    valence: float
    activation: float
    dominance: float
    where: str
    votes: dict[str, list[str]] = field(default_factory=dict)


def read_transcription(path: Path) -> tuple[list[TranscriptLine], list[str]]:
    """The utterances of a dialogue as they stand in the file, and where lines are that are none."""
    lines, other = [], []
    for where, line in _lines(path):
        if match := _SAID.fullmatch(line.strip()):
            name, start, end, text = match.groups()
            lines.append(TranscriptLine(name, float(start), float(end), mend(text).strip(), where))
        elif line.strip():
            other.append(where)
    return lines, other


def read_evaluation(path: Path) -> tuple[dict[str, Judged], list[str]]:
    """The judgements of a dialogue by utterance, and where votes stand for an emotion that is not known.

    Raises MercError, naming file and line, for what is not as published.
    """
    judged: dict[str, Judged] = {}
    strange: list[str] = []
    last: Judged | None = None
    for where, line in _lines(path):
        if line.startswith("["):
            last = _judged(line.strip(), where)
            if last.name in judged:
                raise merc.MercError(f"{where}: {last.name} occurs twice; the other: {judged[last.name].where}")
            judged[last.name] = last
        elif match := _VOTE.match(line):
            if last is None:
                raise merc.MercError(f"{where}: a vote before the first utterance; {_WANTED}")
            who, what = match.groups()
            words = [word.strip().lower() for word in what.split(";") if word.strip()]
            strange += [f"{where} ({word})" for word in words if word not in _VOTES]
            last.votes[who] = [_VOTES.get(word, word) for word in words]
    return judged, strange


_WANTED = "the evaluation files of IEMOCAP_full_release are wanted as they were published"


def _judged(line: str, where: str) -> Judged:
    match = _JUDGED.fullmatch(line)
    if match is None:
        raise merc.MercError(
            f"{where}: not '[start - end]', utterance, emotion and '[valence, activation, dominance]' between tabs; "
            f"{_WANTED}"
        )
    start, end, name, code, valence, activation, dominance = match.groups()
    if code not in EMOTIONS and code != UNDECIDED:
        known = ", ".join([*EMOTIONS, UNDECIDED])
        raise merc.MercError(f"{where}: the emotion {code!r} of {name} is none of {known}")
    numbers = (float(valence), float(activation), float(dominance))
    return Judged(name, float(start), float(end), code, *numbers, where)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise merc.MercError(f"{path} cannot be read: {error.strerror or error}") from None
    for number, line in enumerate(decode(content, path).splitlines(), start=1):
        yield f"{path}, line {number}", line
