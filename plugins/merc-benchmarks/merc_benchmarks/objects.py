"""Sentiments of several objects in one answer, as MOSABench asks for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merc import LabelSpace, MercError, Metric, Prediction
from merc.answers import find_answer, normal
from merc_benchmarks.answer_text import answer_text

SENTIMENTS = {"A": "negative", "B": "neutral", "C": "positive"}
"""The choices of a question, by letter."""
_WORDS = re.compile(rf"\b({'|'.join(SENTIMENTS.values())})\b", re.IGNORECASE)
_LETTERS = re.compile(r"(?<![A-Za-z])([ABC])(?![A-Za-z])")


@dataclass(frozen=True, kw_only=True)
class ObjectSentiments(Metric):
    """``object-sentiments``: precision, recall and F1 over the objects of all pictures, as MOSABench (Song et al.,
    2024) reports them.

    The truth is a list of objects, each with ``name`` and ``sentiment``. An answer names a sentiment for each of them,
    by a word or a letter (A negative, B neutral, C positive): behind the objects' names where all of these stand in it,
    else in their order. What is true of an excluded sentiment is not to be found, and what is taken for one claims
    nothing; a sentiment too many is one that is claimed of nothing. ``accuracy`` is over all objects, and
    ``all_right``, ``some_right`` and ``none_right`` are shares of pictures, for which the paper gives 3, 1 and 0 points
    (``points_per_sample``).

    No evaluation program was found. That the paper's numbers leave neutral out is read off its table: all recalls are
    multiples of 1/1150, of close objects 1/659, of far ones 1/130, which is how many objects are not neutral by the
    paper's shares of sentiments and distances, and every F1 is that of the precision and recall beside it.

    >>> pair = [{"name": "Ana", "sentiment": "positive"}, {"name": "Ben", "sentiment": "neutral"}]
    >>> said = Prediction(id="u", conversation="c", answer="C, A", truths={"objects": pair})
    >>> found = ObjectSentiments().compute([said], LabelSpace(()))
    >>> found["precision"], found["recall"], found["some_right"]
    (0.5, 1.0, 1.0)
    """

    truth: str = "objects"
    """The name of what is true."""
    exclude: tuple[str, ...] = ("neutral",)
    """Sentiments that precision and recall leave out."""

    def choices(self) -> Sequence[str]:
        """The F1."""
        return ("f1",)

    def truths(self) -> Sequence[str]:
        """What ``truth`` names."""
        return (self.truth,)

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Raise MercError for a truth that is no such list."""
        for p in predictions:
            self._true(p)

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers, with how many objects there are and how many answers name as many sentiments (``complete``)."""
        hits = claimed = sought = right = objects = complete = points = 0
        outcomes = [0, 0, 0]
        for p in predictions:
            truth = self._true(p)
            text = answer_text(p)
            answered = read_sentiments(text, [name for name, _ in truth])
            true = [sentiment for _, sentiment in truth]
            same = [a == b for a, b in zip(true, answered, strict=False)]
            hits += sum(one and a not in self.exclude for one, a in zip(same, true, strict=False))
            claimed += sum(one is not None and one not in self.exclude for one in answered)
            sought += sum(one not in self.exclude for one in true)
            right += sum(same)
            objects += len(true)
            complete += len(answered) == len(true) and None not in answered
            outcome = 2 if sum(same) == len(true) else 1 if any(same) else 0
            outcomes[outcome] += 1
            points += (0, 1, 3)[outcome]
        count = len(predictions)
        none, some, every = outcomes
        return {
            "precision": hits / claimed if claimed else 0.0,
            "recall": hits / sought if sought else 0.0,
            "f1": 2 * hits / (claimed + sought) if claimed + sought else 0.0,
            "accuracy": right / objects,
            "all_right": every / count,
            "some_right": some / count,
            "none_right": none / count,
            "points_per_sample": points / count,
            "samples": count,
            "objects": objects,
            "sought": sought,
            "claimed": claimed,
            "complete": complete,
        }

    def _true(self, prediction: Prediction) -> list[tuple[str, str]]:
        held = prediction.true(self.truth)
        pairs = [
            (one.get("name"), one.get("sentiment"))
            for one in (held if isinstance(held, list) else [])
            if isinstance(one, Mapping)
        ]
        if not pairs or any(not isinstance(a, str) or b not in SENTIMENTS.values() for a, b in pairs):
            raise MercError(
                f"utterance {prediction.id!r}: {self.truth!r} is {held!r}; a list of objects with 'name' and "
                f"'sentiment' ({', '.join(SENTIMENTS.values())}) was expected"
            )
        return [(str(a), str(b)) for a, b in pairs]


def read_sentiments(answer: str, names: Sequence[str]) -> list[str | None]:
    """The sentiment that an answer gives each object, then those that it gives of nothing.

    >>> read_sentiments("C, B", ["Ana", "Ben"])
    ['positive', 'neutral']
    >>> read_sentiments("Ben looks negative and Ana is positive.", ["Ana", "Ben"])
    ['positive', 'negative']
    >>> read_sentiments("positive", ["Ana", "Ben"])
    ['positive', None]
    """
    text = find_answer(normal(answer), "answer-or-rest")[0]
    places = _places(text, names)
    if len(set(places)) == len(names) and -1 not in places:
        ends = {at: min([one for one in places if one > at], default=len(text)) for at in places}
        behind = [_sentiments(text[at + len(name) : ends[at]]) for at, name in zip(places, names, strict=True)]
        if all(behind):
            return [one[0] for one in behind]
    sentiments: list[str | None] = list(_sentiments(text))
    return sentiments + [None] * (len(names) - len(sentiments))


def _places(text: str, names: Sequence[str]) -> list[int]:
    """Where each name stands first as whole words, -1 where it does not; one within a longer name is not meant.

    >>> _places("Michelle Obama and Obama", ["Obama", "Michelle Obama", "Man"])
    [19, 0, -1]
    """
    places = {}
    for name in sorted(set(names), key=len, reverse=True):
        spelling = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
        first = spelling.search(text)
        places[name] = -1 if first is None else first.start()
        text = spelling.sub(lambda one: " " * len(one[0]), text)
    return [places[name] for name in names]


def _sentiments(text: str) -> list[str]:
    if words := _WORDS.findall(text):
        return [word.lower() for word in words]
    return [SENTIMENTS[letter] for letter in _LETTERS.findall(text)]
