"""Sentiment: weighted F1 without neutral, and the numbers of CMU-MOSI and CMU-MOSEI."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from merc import LabelSpace, MercError, Metric, Prediction
from merc.answers import Block, Vocabulary, find_answer, normal
from merc_emotion_llama.answers import published_answer_of

_POLES = ("negative", "neutral", "positive")
# Means of annotators' scores that were computed in floats end in such numbers as 3.0000001.
_ROUNDING = 1e-3
_KNOWN = Vocabulary({pole: pole for pole in _POLES})
# Only letters that are written with spaces between words belong to a number's word: "得分2分" has the number 2.
_NUMBER = re.compile(r"(?<![\w.])[-+\u2212]?\d+(?:\.\d+)?(?![\w.]*\d)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class SentimentF1(Metric):
    """``mer-unibench-sentiment-f1``: weighted F1 of negative against positive, of MER-UniBench (MOSI, MOSEI, SIMS,
    SIMS-v2). Utterances whose truth is neutral (a score of 0) are left out and counted.

    A prediction's pole is found in its text, or in its label, as that of the truth is, and by the words that the corpus
    has for such a label; both words in one answer, or neither, make it unparsed.

    The field publishes two numbers under this name. ``weighted_f1_neutral_wrong``: a neutral answer is wrong.
    ``weighted_f1_neutral_negative``: a neutral answer counts as negative, since it is not above 0. An unparsed answer
    is wrong in both. ``weighted_f1_affectgpt`` is the first of answers as MMEVerse's own program reads them: all of the
    answer, in small letters, is one of the words.
    """

    truth: str = "valence"
    """The name of a score, whose sign counts, or of a text with one of the words negative, neutral and positive in it
    ("weakly negative")."""
    block: Block = "answer-or-rest"
    """Which part of an answer is read (``merc.answers``): what stands in <answer>, or the rest without one; <answer>
    alone; all of it."""

    def truths(self) -> Sequence[str]:
        """What ``truth`` names."""
        return (self.truth,)

    def choices(self) -> Sequence[str]:
        """Both variants."""
        return ("weighted_f1_neutral_wrong", "weighted_f1_neutral_negative")

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Compute once for predictions that say nothing: every fault of tables and truths shows."""
        self.compute(predictions, labels)

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers, null where every truth is neutral. Raises MercError for a truth that is no sentiment."""
        from sklearn.metrics import f1_score

        known = _vocabulary(labels)
        every = [(_true_pole(p, self.truth), predicted_pole(p, self.block, known)) for p in predictions]
        pairs = [(true, predicted) for true, predicted in every if true != "neutral"]
        truth = [true for true, _ in pairs]
        published = [
            next(iter(published_answer_of(p, known).labels), None)
            for p, (true, _) in zip(predictions, every, strict=True)
            if true != "neutral"
        ]

        def score(taken: list[str]) -> float | None:
            if not pairs:
                return None
            poles = ["negative", "positive"]
            return float(f1_score(truth, taken, labels=poles, average="weighted", zero_division=0.0))

        return {
            "weighted_f1_neutral_wrong": score([predicted or "unparsed" for _, predicted in pairs]),
            "weighted_f1_neutral_negative": score(
                ["negative" if predicted == "neutral" else predicted or "unparsed" for _, predicted in pairs]
            ),
            "weighted_f1_affectgpt": score([predicted or "unparsed" for predicted in published]),
            "samples": len(pairs),
            "excluded_neutral": len(every) - len(pairs),
            "neutral_answers": sum(predicted == "neutral" for _, predicted in pairs),
            "unparsed": sum(predicted is None for _, predicted in pairs),
        }


@dataclass(frozen=True, kw_only=True)
class SentimentScore(Metric):
    """``mosi-sentiment-score``: the numbers of CMU-MOSI and CMU-MOSEI (Zadeh et al., 2016, 2018; Tsai et al., 2019).

    A prediction's score is the one number in its text, or its label read as a number. One that lies outside -3 to 3 is
    counted.

    ``acc_7``: scores rounded to whole numbers are equal (halves to the even one, as numpy rounds). Two numbers are both
    called Acc-2, each with its weighted F1: ``acc_2_non_negative`` compares below 0 with 0 and above, over all;
    ``acc_2_without_neutral`` compares the signs where the truth is not 0 (a score of 0 counts as not above 0).
    ``mae`` and ``correlation`` (Pearson's; null where it is undefined) are over answers with a score, since others have
    none; an unparsed answer is wrong in every other number. ``mae`` is in points of the scale, ``correlation`` from -1
    to 1.
    """

    truth: str = "valence"
    """The name of the true score."""
    factor: float = 1.0
    """What the true score is multiplied by to lie from -3 to 3: 3 for a ``valence`` from -1 to 1."""
    expected: bool = False
    """Whether the score is the mean of the labels weighted by their probabilities, where a prediction has those."""
    clip: bool = True
    """Whether scores are brought to -3 to 3 for every number; ``false`` does it only for ``acc_7``, as the programs of
    Tsai et al. have it (publications differ)."""
    block: Block = "answer-or-rest"
    """Which part of an answer is read (``merc.answers``): what stands in <answer>, or the rest without one; <answer>
    alone; all of it."""

    def __post_init__(self) -> None:
        if self.factor <= 0:
            raise ValueError(f"factor is above 0, not {self.factor:g}")

    def truths(self) -> Sequence[str]:
        """What ``truth`` names."""
        return (self.truth,)

    def choices(self) -> Sequence[str]:
        """Those that are higher for a better model."""
        return ("acc_7", "acc_2_non_negative", "acc_2_without_neutral", "correlation")

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Compute once for predictions that say nothing: every fault of tables and truths shows."""
        self.compute(predictions, labels)

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers. Raises MercError for a truth that is no number, or lies outside -3 to 3."""
        import numpy as np
        from sklearn.metrics import mean_absolute_error

        truth = np.array([self._true(p) for p in predictions])
        scores = [self._predicted(p) for p in predictions]
        scored = np.array([score is not None for score in scores])
        raw = np.array([0.0 if score is None else score for score in scores])
        clipped = np.clip(raw, -3.0, 3.0)
        guess = clipped if self.clip else raw
        far = truth != 0
        mean_error = float(mean_absolute_error(truth[scored], guess[scored])) if scored.any() else None
        return {
            "acc_7": float(np.mean(scored & (np.rint(truth) == np.rint(clipped)))),
            **_acc_2("non_negative", truth >= 0, guess >= 0, scored),
            **_acc_2("without_neutral", truth[far] > 0, guess[far] > 0, scored[far]),
            "mae": mean_error,
            "correlation": _pearson(truth[scored], guess[scored]),
            "samples": len(truth),
            "samples_without_neutral": int(far.sum()),
            "unparsed": int((~scored).sum()),
            "outside_scale": sum(score is not None and abs(score) > 3 for score in scores),
        }

    def _true(self, prediction: Prediction) -> float:
        score = self.factor * _number(prediction, self.truth)
        if abs(score) > 3 + _ROUNDING:
            raise MercError(
                f"utterance {prediction.id!r}: {self.truth!r} times factor {self.factor:g} is {score:g}; a score from "
                "-3 to 3 was expected"
            )
        return min(3.0, max(-3.0, score))

    def _predicted(self, prediction: Prediction) -> float | None:
        if self.expected and prediction.probabilities is not None:
            chances = {_as_number(label): chance for label, chance in prediction.probabilities.items()}
            if None in chances:
                raise MercError("mosi-sentiment-score: expected: true needs labels that are numbers, such as -3 to 3")
            total = sum(chances.values())
            return (
                sum(score * chance for score, chance in chances.items() if score is not None) / total if total else None
            )
        if prediction.answer is None:
            return None if prediction.label is None else _as_number(prediction.label)
        numbers = _NUMBER.findall(find_answer(normal(prediction.answer), self.block)[0])
        return _as_number(numbers[0]) if len(numbers) == 1 else None


def predicted_pole(prediction: Prediction, block: Block, known: Vocabulary) -> str | None:
    """negative, neutral or positive, as an answer has it; ``None`` where it has none of the words or several."""
    answer = prediction.label if prediction.answer is None else find_answer(normal(prediction.answer), block)[0]
    return None if answer is None else _pole(answer, known)


def _pole(text: str, known: Vocabulary = _KNOWN) -> str | None:
    poles = set(known.within(text))
    return poles.pop() if len(poles) == 1 else None


def _vocabulary(labels: LabelSpace) -> Vocabulary:
    """The words of the poles, and those that a label space has for labels that name one."""
    spoken = {
        word: pole for label in labels.labels if (pole := _pole(label)) is not None for word in labels.words_of(label)
    }
    return Vocabulary({**{pole: pole for pole in _POLES}, **spoken})


def _true_pole(prediction: Prediction, name: str) -> str:
    true = prediction.true(name)
    if isinstance(true, str):
        pole = _pole(true)
        if pole is None:
            raise MercError(
                f"utterance {prediction.id!r}: {name!r} is {true!r}; one of negative, neutral and positive was expected"
            )
        return pole
    score = _number(prediction, name)
    return "positive" if score > 0 else "negative" if score < 0 else "neutral"


def _number(prediction: Prediction, name: str) -> float:
    true = prediction.true(name)
    number = _as_number(true) if isinstance(true, str) else true
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise MercError(f"utterance {prediction.id!r}: {name!r} is {true!r}; a number was expected")
    return float(number)


def _as_number(text: str) -> float | None:
    import math

    try:
        number = float(text.strip().replace("\u2212", "-"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _acc_2(name: str, truth: Any, guess: Any, scored: Any) -> dict[str, float | None]:
    """Accuracy and weighted F1 of two classes; what has no score is in neither."""
    from sklearn.metrics import f1_score

    if not len(truth):
        return {f"acc_2_{name}": None, f"f1_2_{name}": None}
    taken = [int(g) if s else 2 for g, s in zip(guess, scored, strict=True)]
    right = [int(t) == g for t, g in zip(truth, taken, strict=True)]
    f1 = f1_score(truth.astype(int), taken, labels=[0, 1], average="weighted", zero_division=0.0)
    return {f"acc_2_{name}": sum(right) / len(right), f"f1_2_{name}": float(f1)}


def _pearson(one: Any, two: Any) -> float | None:
    import math

    from scipy.stats import pearsonr

    if len(one) < 2 or one.min() == one.max() or two.min() == two.max():
        return None
    correlation = float(pearsonr(one, two).statistic)
    return correlation if math.isfinite(correlation) else None
