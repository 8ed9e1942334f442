"""Letters of choices in an answer, as EmoBench asks for them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merc import LabelSpace, MercError, Metric, Prediction
from merc.answers import normal, until_end
from merc_benchmarks.answer_text import answer_text

_FENCED = re.compile(r"```json\s*([\s\S]*?)```")
_LETTER = re.compile(r"^\W*([A-Z])(?![A-Za-z])")
_ALONE = re.compile(r"(?<![A-Za-z])([A-Z])(?![A-Za-z'’])")
_SHORT = 40


@dataclass(frozen=True, kw_only=True)
class Choices(Metric):
    """``choices``: how often every letter of an answer is the right one, as EmoBench (Sabour et al., 2024) counts it:
    for emotional understanding emotion and cause both, for emotional application the one choice.

    The truth is a mapping of letters by the names that the answer's JSON object has for them (``answer_q1``,
    ``answer_q2``; ``answer``). ``accuracy`` reads letters wherever the names stand, in brackets and with the choice
    behind them too, and of a short answer without names in their order; ``accuracy_exact`` is by the published reading,
    a JSON object whose values are the bare letters. ``<name>_accuracy`` counts each alone.

    >>> said = Prediction(id="u", conversation="c", answer='{"answer_q1": "B) Joy", "answer_q2": "A"}',
    ...                   truths={"answers": {"answer_q1": "B", "answer_q2": "C"}})
    >>> found = Choices().compute([said], LabelSpace(()))
    >>> found["accuracy"], found["answer_q1_accuracy"], found["accuracy_exact"]
    (0.0, 1.0, 0.0)
    """

    truth: str = "answers"
    """The name of what is true."""

    def choices(self) -> Sequence[str]:
        """The accuracy."""
        return ("accuracy",)

    def truths(self) -> Sequence[str]:
        """What ``truth`` names."""
        return (self.truth,)

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Raise MercError for a truth that is no such mapping."""
        for p in predictions:
            self._true(p)

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers, with how many answers lack a letter (``unparsed``)."""
        right = exact = unparsed = 0
        each: dict[str, list[bool]] = {}
        for p in predictions:
            truth = self._true(p)
            text = answer_text(p)
            letters = read_letters(text, list(truth))
            right += letters == truth
            exact += exact_values(text, list(truth)) == truth
            unparsed += None in letters.values()
            for name, letter in truth.items():
                each.setdefault(name, []).append(letters[name] == letter)
        count = len(predictions)
        return {
            "accuracy": right / count,
            "accuracy_exact": exact / count,
            **{f"{name}_accuracy": sum(hits) / len(hits) for name, hits in each.items()},
            "samples": count,
            "unparsed": unparsed,
        }

    def _true(self, prediction: Prediction) -> dict[str, str]:
        held = prediction.true(self.truth)
        if not isinstance(held, Mapping) or not held or any(not re.fullmatch("[A-Z]", str(v)) for v in held.values()):
            raise MercError(
                f"utterance {prediction.id!r}: {self.truth!r} is {held!r}; a mapping of letters by the names of their "
                "questions was expected"
            )
        return {str(name): str(letter) for name, letter in held.items()}


def read_letters(answer: str, names: Sequence[str]) -> dict[str, str | None]:
    """The letter that an answer gives under each name.

    >>> read_letters('Reasons. "answer_q1": "(b)", answer_q2: C', ["answer_q1", "answer_q2"])
    {'answer_q1': 'B', 'answer_q2': 'C'}
    >>> read_letters("A and C", ["answer_q1", "answer_q2"])
    {'answer_q1': 'A', 'answer_q2': 'C'}
    """
    text = normal(until_end(answer)[0].rpartition("</think>")[2])
    letters: dict[str, str | None] = {}
    for name in names:
        values = re.findall(rf"\b{re.escape(name)}\b['\"]?\s*:\s*(.*)", text, re.IGNORECASE)
        letter = _LETTER.match(values[-1].strip().upper()) if values else None
        letters[name] = letter[1] if letter else None
    if any(letters.values()) or len(text.strip()) > _SHORT:
        return letters
    alone = _ALONE.findall(text)
    return dict(zip(names, alone, strict=True)) if len(alone) == len(names) else letters


def exact_values(answer: str, names: Sequence[str]) -> dict[str, Any]:
    """What the JSON object of an answer has under each name, empty where it has nothing, as the published program reads
    it: the object between the first ```` ```json ```` and ```` ``` ````, or the whole answer.

    >>> exact_values('```json\\n{"answer": "A"}\\n```', ["answer"]), exact_values("A", ["answer"])
    ({'answer': 'A'}, {'answer': ''})
    """
    fenced = _FENCED.search(answer)
    try:
        held = json.loads(fenced[1] if fenced else answer)
    except (ValueError, RecursionError):
        held = None
    return {name: held.get(name, "") if isinstance(held, dict) else "" for name in names}
