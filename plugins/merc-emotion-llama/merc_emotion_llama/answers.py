"""Labels read out of what a model wrote, by policies that have names; whatever is odd is counted under its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from merc import LabelSpace, Prediction

Block = Literal["answer-or-rest", "answer-only", "whole"]
Sentences = Literal["search", "drop"]

NOTES = {
    "unparsed": "no label at all could be read",
    "empty": "nothing was written",
    "no_answer_tag": "the reasoning has its tags, the answer has none; or answer-only found none",
    "unclosed_think": "the reasoning does not end, so there is no answer behind it",
    "unclosed_answer": "the answer's tag does not end; what follows it is taken",
    "several_answers": "several answers between tags; the last is taken",
    "other_case": "a label in another case",
    "sentence": "a label was looked for within a phrase or sentence",
    "outside": "something that is no label of the vocabulary",
}
"""What is counted of answers, and what each name means."""

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)
_NUMBER = re.compile(r"(?:^|(?<=\s))\(?\d{1,2}[.):]\s+|^\s*[-*•]\s+", re.MULTILINE)
_SEPARATOR = re.compile(r"[,;|/\n\u3001\u3002\uff0c\uff1b]+|\.\s+")
_AROUND = " \t\r.:!?…\"'`“”‘’*()[]{}"


@dataclass(frozen=True)
class Read:
    """What was read: labels without repetition in the order of the answer, what was no label, and the notes."""

    labels: tuple[str, ...]
    outside: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Vocabulary:
    """The words that count as labels, each with the label that it stands for. ``searched`` are those that are looked
    for within sentences; all of them, unless some are too common there."""

    def __init__(self, words: Mapping[str, str], searched: Iterable[str] | None = None) -> None:
        self.exact = dict(words)
        self.folded = {word.casefold(): label for word, label in words.items()}
        within = {word.casefold() for word in (words if searched is None else searched)}
        longest = sorted((word for word in self.folded if word in within and word), key=len, reverse=True)
        self._within = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest)) + r")(?!\w)") if longest else None

    def within(self, text: str) -> list[str]:
        """The labels whose words stand in a text, as whole words; of words that overlap the longer one."""
        return [self.folded[found] for found in self._within.findall(text.casefold())] if self._within else []


@lru_cache(maxsize=8)
def vocabulary_of_words(words: frozenset[str], searched: frozenset[str] | None = None) -> Vocabulary:
    """Words that stand for themselves."""
    return Vocabulary({word: word for word in sorted(words)}, searched)


def vocabulary_of_labels(labels: LabelSpace) -> Vocabulary:
    """The words of a label space (its verbalizer), and the labels themselves."""
    words = {label: label for label in labels.labels}
    return Vocabulary({**words, **{word: label for label in labels.labels for word in labels.words_of(label)}})


def find_answer(text: str, block: Block) -> tuple[str, list[str]]:
    """The part of a text that is the answer, and notes.

    - ``answer-or-rest``: what stands in the last ``<answer>…</answer>``; without one, what follows ``</think>``;
      without either, all of it. Reasoning that does not end has no answer behind it.
    - ``answer-only``: what stands in the last ``<answer>…</answer>``, else nothing.
    - ``whole``: all of it, reasoning included, without the tags.

    >>> find_answer("<think>A frown, not joy.</think><answer>anger</answer>", "answer-or-rest")
    ('anger', [])
    >>> find_answer("<think>A frown.</think> anger", "answer-or-rest")
    ('anger', ['no_answer_tag'])
    """
    if block == "whole":
        return _TAG.sub(" ", text).strip(), []
    found = _ANSWER.findall(text)
    if found:
        return found[-1].strip(), ["several_answers"] * (len(found) > 1)
    low = text.lower()
    if "<answer>" in low:
        behind = text[low.rindex("<answer>") + len("<answer>") :]
        return ("", ["unclosed_answer"]) if block == "answer-only" else (behind.strip(), ["unclosed_answer"])
    if block == "answer-only":
        return "", ["no_answer_tag"]
    if "</think>" in low:
        return text[low.rindex("</think>") + len("</think>") :].strip(), ["no_answer_tag"]
    return ("", ["unclosed_think"]) if "<think>" in low else (text.strip(), [])


def read_answer(text: str, known: Vocabulary, block: Block = "answer-or-rest", sentences: Sentences = "search") -> Read:
    """The labels in an answer: items separated by commas, semicolons, slashes, lines or numbers, in any case.

    An item of several words that is no label itself is a phrase or a sentence: ``search`` takes the labels that stand
    in it as whole words ("not happy" gives happy: negation is not understood), ``drop`` takes none.

    >>> known = vocabulary_of_words(frozenset({"happy", "sad", "at a loss"}))
    >>> read_answer("1. Happy 2. at a loss", known).labels, read_answer("happy; furious", known).outside
    (('happy', 'at a loss'), ('furious',))
    >>> read_answer("She looks sad to me.", known)
    Read(labels=('sad',), outside=(), notes=('sentence',))
    >>> read_answer("She looks sad to me.", known, sentences="drop").labels
    ()
    """
    answer, notes = find_answer(text, block)
    if not text.strip():
        notes.append("empty")
    labels: list[str] = []
    outside: list[str] = []
    for item in _items(answer, known):
        if item in known.exact:
            labels.append(known.exact[item])
        elif item.casefold() in known.folded:
            labels.append(known.folded[item.casefold()])
            notes.append("other_case")
        elif " " in item and sentences == "search" and (found := known.within(item)):
            labels += found
            notes.append("sentence")
        else:
            outside.append(item)
            notes += ["sentence", "outside"] if " " in item else ["outside"]
    if not labels:
        notes.append("unparsed")
    return Read(tuple(dict.fromkeys(labels)), tuple(outside), tuple(dict.fromkeys(notes)))


def answer_of(prediction: Prediction, known: Vocabulary, block: Block, sentences: Sentences) -> Read:
    """What a prediction says: its text where it has one, else its label."""
    if prediction.text is not None:
        return read_answer(prediction.text, known, block, sentences)
    if prediction.label is None:
        return Read((), (), ("empty", "unparsed"))
    label = known.folded.get(prediction.label.casefold())
    return Read((label,)) if label is not None else Read((), (prediction.label,), ("outside", "unparsed"))


def count_notes(answers: Iterable[Read]) -> dict[str, int]:
    """How many answers have each note; every note is named, those that none has with 0."""
    counts: Counter[str] = Counter(note for answer in answers for note in answer.notes)
    return {name: counts[name] for name in NOTES}


def most_frequent(words: Iterable[str], most: int = 20) -> dict[str, int]:
    """The most frequent of some words with their counts, ties by the alphabet."""
    ranked = sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0]))
    return dict(ranked[:most])


def _items(answer: str, known: Vocabulary) -> list[str]:
    found = []
    for part in _SEPARATOR.split(_NUMBER.sub("\n", answer)):
        item = " ".join(part.split()).strip(_AROUND)
        if item.casefold() in known.folded or not re.search(r"\s(?:and|or|&)\s|^(?:and|or)\s", item, re.IGNORECASE):
            found.append(item)
        else:
            found += [piece.strip(_AROUND) for piece in re.split(r"(?:^|\s)(?:and|or|&)\s", item, flags=re.IGNORECASE)]
    return [item for item in found if item]
