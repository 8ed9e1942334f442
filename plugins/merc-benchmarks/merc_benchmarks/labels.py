"""One label, a pair of labels, or several, read out of answers and measured as EmoBench-M and MME-Emotion measure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merc import LabelSpace, MercError, Metric, Prediction
from merc.answers import find_answer, normal, read_answer, vocabulary_of_labels, vocabulary_of_words
from merc_benchmarks.answer_text import answer_text

NONE = "(none)"
EMOTIONS = ("happy", "surprise", "sad", "disgust", "anger", "fear", "neutral")
INTENTS = (
    "questioning", "agreeing", "acknowledging", "encouraging", "consoling", "suggesting", "wishing", "neutral",
)  # fmt: skip
_PAIR = re.compile(r"['\"]?([A-Za-z _]+?)['\"]?\s*:\s*['\"]?([^'\",}\n]+)['\"]?")


def weighted(truth: Sequence[str], answers: Sequence[str], ending: str = "") -> dict[str, float]:
    """Accuracy, and precision, recall and F1 of each class weighted by how often it is true, over the classes that are
    true or answered. Numbers over nothing are left out.

    >>> weighted(["a", "a", "b"], ["a", "b", "b"])["f1"]
    0.6666666666666666
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    if not truth:
        return {}
    precision, recall, f1, _ = precision_recall_fscore_support(truth, answers, average="weighted", zero_division=0.0)
    numbers = {"accuracy": accuracy_score(truth, answers), "precision": precision, "recall": recall, "f1": f1}
    return {f"{name}{ending}": float(value) for name, value in numbers.items()}


@dataclass(frozen=True, kw_only=True)
class OneOfLabels(Metric):
    """``one-of-labels``: accuracy, and weighted precision, recall and F1, of one label an utterance, as EmoBench-M (Hu
    et al., 2025) takes them.

    An answer with none of the labels, or with several, is wrong. ``…_answered`` are the same numbers over the
    utterances whose answer is not empty: the published program leaves the others out, counts any other text as a class
    of its own, and compares texts in small letters.

    >>> said = [Prediction(id="u", conversation="c", truth="joy", answer="{'emotion': 'Joy'}")]
    >>> OneOfLabels().compute(said, LabelSpace(("joy", "anger")))["accuracy"]
    1.0
    """

    def choices(self) -> Sequence[str]:
        """The accuracy and the F1."""
        return ("accuracy", "f1")

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers, with how many answers were empty (``empty``) or no single label (``unparsed``)."""
        known = vocabulary_of_labels(labels)
        truth, answers, full = [], [], []
        for p in predictions:
            text = p.label if p.answer is None else p.answer
            read = read_answer(text or "", known).labels
            truth.append(str(p.truth))
            answers.append(p.label or (read[0] if len(read) == 1 else NONE))
            full.append(bool((text or "").strip()))
        nonempty = [i for i, there in enumerate(full) if there]
        return {
            **weighted(truth, answers),
            **weighted([truth[i] for i in nonempty], [answers[i] for i in nonempty], "_answered"),
            "samples": len(truth),
            "empty": full.count(False),
            "unparsed": answers.count(NONE),
        }


@dataclass(frozen=True, kw_only=True)
class EmotionAndIntent(Metric):
    """``emotion-and-intent``: how often emotion and intent are both right, as EmoBench-M takes them on MC-EIU, with
    weighted precision, recall and F1 over the pairs.

    The truth is a mapping with ``emotion`` and ``intent``. An answer names them as ``{'emotion label': …, 'intent
    label': …}``, or says the emotion first and the intent after it. An answer that lacks one is wrong, and
    ``…_answered`` leaves it out, as the published program does.

    >>> said = Prediction(id="u", conversation="c", truths={"pair": {"emotion": "sad", "intent": "neutral"}},
    ...                   answer="{'emotion label': 'sad', 'intent label': 'wishing'}")
    >>> found = EmotionAndIntent().compute([said], LabelSpace(()))
    >>> found["accuracy"], found["emotion_accuracy"], found["intent_accuracy"]
    (0.0, 1.0, 0.0)
    """

    truth: str = "pair"
    """The name of what is true."""
    emotions: tuple[str, ...] = EMOTIONS
    """The emotions to choose from."""
    intents: tuple[str, ...] = INTENTS
    """The intents to choose from."""

    def choices(self) -> Sequence[str]:
        """The accuracy and the F1."""
        return ("accuracy", "f1")

    def needs(self) -> Sequence[str]:
        """A text, in which both are named."""
        return ("text",)

    def truths(self) -> Sequence[str]:
        """What ``truth`` names."""
        return (self.truth,)

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Raise MercError for a truth that is no such pair."""
        for p in predictions:
            self._true(p)

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers of pairs, and the accuracy of each half."""
        truth = [self._true(p) for p in predictions]
        answers = [self.read(answer_text(p)) for p in predictions]
        pairs = ["_".join(pair) for pair in truth]
        answered = ["_".join(pair) for pair in answers]
        nonempty = [i for i, pair in enumerate(answers) if NONE not in pair]
        count = len(truth)
        return {
            **weighted(pairs, answered),
            **weighted([pairs[i] for i in nonempty], [answered[i] for i in nonempty], "_answered"),
            "emotion_accuracy": sum(a[0] == b[0] for a, b in zip(truth, answers, strict=True)) / count,
            "intent_accuracy": sum(a[1] == b[1] for a, b in zip(truth, answers, strict=True)) / count,
            "samples": count,
            "unparsed": count - len(nonempty),
        }

    def read(self, answer: str) -> tuple[str, str]:
        """The emotion and the intent that an answer names."""
        text = find_answer(normal(answer), "answer-or-rest")[0].replace("*", "")  # Markdown's
        pairs = ((re.findall(r"[a-z]+", key.lower()), value.strip()) for key, value in _PAIR.findall(text))
        named = {words[0]: value for words, value in pairs if words}
        if {"emotion", "intent"} <= named.keys():
            return self._one(named["emotion"], self.emotions), self._one(named["intent"], self.intents)
        known = vocabulary_of_words(frozenset(self.emotions) | frozenset(self.intents))
        words = known.within(text)
        if len(words) != 2:
            return NONE, NONE
        return self._one(words[0], self.emotions), self._one(words[1], self.intents)

    def _one(self, text: str, among: tuple[str, ...]) -> str:
        read = read_answer(text, vocabulary_of_words(frozenset(among))).labels
        return read[0] if len(read) == 1 else NONE

    def _true(self, prediction: Prediction) -> tuple[str, str]:
        pair = prediction.true(self.truth)
        if (
            not isinstance(pair, Mapping)
            or pair.get("emotion") not in self.emotions
            or pair.get("intent") not in self.intents
        ):
            raise MercError(
                f"utterance {prediction.id!r}: {self.truth!r} is {pair!r}; an emotion of {', '.join(self.emotions)} "
                f"and an intent of {', '.join(self.intents)} were expected"
            )
        return str(pair["emotion"]), str(pair["intent"])


@dataclass(frozen=True, kw_only=True)
class LabelsRead(Metric):
    """``labels-read``: which of the right labels an answer names, read without a judge.

    ``recognition`` is the mean share of the right labels that are named, as MME-Emotion (Zhang et al., 2025) defines
    its recognition score (named labels that are not right cost nothing there); ``precision`` is the mean share of the
    named labels that are right, which an answer that lists every label does not get.

    The truth is a mapping with ``labels`` and ``label_set``, the labels to choose from.

    >>> said = Prediction(id="u", conversation="c", answer="Fear, then joy.",
    ...                   truths={"reference": {"labels": ["fear", "sad"], "label_set": ["fear", "sad", "joy"]}})
    >>> found = LabelsRead().compute([said], LabelSpace(()))
    >>> found["recognition"], found["precision"], found["labels_per_sample"]
    (0.5, 0.5, 2.0)
    """

    truth: str = "reference"
    """The name of what is true."""

    def choices(self) -> Sequence[str]:
        """The recognition score."""
        return ("recognition",)

    def truths(self) -> Sequence[str]:
        """What ``truth`` names."""
        return (self.truth,)

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Raise MercError for a truth that names no labels of its set."""
        for p in predictions:
            labels_of(p, self.truth)

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers, with how many answers named no label (``unparsed``)."""
        shares, precisions, named = [], [], []
        for p in predictions:
            right, among = labels_of(p, self.truth)
            text = answer_text(p)
            read = set(read_answer(text, vocabulary_of_words(frozenset(among))).labels)
            shares.append(len(read & set(right)) / len(set(right)))
            precisions.append(len(read & set(right)) / len(read) if read else 0.0)
            named.append(len(read))
        count = len(predictions)
        return {
            "recognition": sum(shares) / count,
            "precision": sum(precisions) / count,
            "labels_per_sample": sum(named) / count,
            "samples": count,
            "unparsed": named.count(0),
        }


def labels_of(prediction: Prediction, name: str) -> tuple[Sequence[str], Sequence[str]]:
    """The right labels of a prediction, and those to choose from. Raises MercError for a truth of another form."""
    held = prediction.true(name)
    right = held.get("labels") if isinstance(held, Mapping) else None
    among = held.get("label_set") if isinstance(held, Mapping) else None
    if not right or not among or not set(right) <= set(among):
        raise MercError(
            f"utterance {prediction.id!r}: {name!r} is {held!r}; a mapping with 'labels', all of them in 'label_set', "
            "was expected"
        )
    return list(right), list(among)
