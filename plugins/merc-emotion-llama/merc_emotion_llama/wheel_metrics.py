"""The two metrics of MER-UniBench that compare on emotion wheels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merc import LabelSpace, MercError, Metric, Prediction
from merc.answers import Block, Read, Sentences, Vocabulary, vocabulary_of_words
from merc_emotion_llama.answers import answer_of, count_notes, most_frequent, published_answer_of
from merc_emotion_llama.wheel_scores import hit_rate, wheel_f
from merc_emotion_llama.wheels import WHEELS, Wheels, plain, read_wheels


@dataclass(frozen=True, kw_only=True)
class HitRateMetric(Metric):
    """``mer-unibench-hit-rate``: see ``merc_emotion_llama.wheel_scores.hit_rate``.

    In sentences, only words that stand on a wheel as they are, and the labels of the corpus, are looked for, since the
    tables' other forms hold common words ("person").

    Beside ``hit_rate`` and ``hit_precision``: ``samples`` counted and ``excluded``, ``labels_per_sample``, how many of
    the answers' labels are ``unknown`` to every wheel and which most often, the numbers of each wheel, and what was odd
    in the answers. ``hit_rate_affectgpt`` and ``hit_precision_affectgpt`` are the numbers of answers as the published
    program reads them (``merc.answers.read_lowercase``): items between commas and quotes, each a label or none.
    """

    wheels: Path
    """The folder of the emotion wheels' tables."""
    truth: str = "label"
    """The name of the true label."""
    block: Block = "answer-or-rest"
    """Which part of an answer is read (``merc.answers``): what stands in <answer>, or the rest without one; <answer>
    alone; all of it."""
    sentences: Sentences = "search"
    """Whether labels are looked for within sentences (``search``) or not (``drop``)."""

    def truths(self) -> Sequence[str]:
        """What ``truth`` names."""
        return (self.truth,)

    def choices(self) -> Sequence[str]:
        """Both numbers."""
        return ("hit_rate", "hit_precision")

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Compute once for predictions that say nothing: every fault of tables and truths shows."""
        self.compute(predictions, labels)

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers. Raises MercError for a truth that is no text and for tables that cannot be read."""
        tables = read_wheels(self.wheels)
        keys = keys_of(predictions)
        true = {key: _text(p, self.truth) for key, p in keys.items()}
        read = {
            key: answer_of(p, words_of_wheels(tables, labels), self.block, self.sentences) for key, p in keys.items()
        }
        scores = hit_rate(true, {key: _all(one) for key, one in read.items()}, tables)
        published = hit_rate(true, _published(keys, tables, labels), tables)
        names = ("hit_rate", "hit_precision", "samples")
        return {
            "hit_rate": scores.hit_rate,
            "hit_precision": scores.hit_precision,
            "hit_rate_affectgpt": published.hit_rate,
            "hit_precision_affectgpt": published.hit_precision,
            "samples": scores.samples,
            "excluded": scores.excluded,
            "labels_per_sample": scores.labels_per_sample,
            **_unknown(read, tables),
            "by_wheel": {n: dict(zip(names, row, strict=True)) for n, row in zip(WHEELS, scores.by_wheel, strict=True)},
            "answers": count_notes(read.values()),
        }


@dataclass(frozen=True, kw_only=True)
class WheelFMetric(Metric):
    """``mer-unibench-wheel-f``: see ``merc_emotion_llama.wheel_scores.wheel_f``.

    Answers are read as by ``mer-unibench-hit-rate``, and the same numbers stand beside. ``wheel_f`` counts a wheel
    without any overlap as 0; ``wheel_f_or_nan`` is the number of code that divides 0 by 0 there, and is null where that
    would be NaN. ``wheel_f_affectgpt`` is ``wheel_f`` of answers as the published program reads them.
    """

    wheels: Path
    """The folder of the emotion wheels' tables."""
    truth: str = "open_labels"
    """The name of the list of true labels."""
    block: Block = "answer-or-rest"
    """Which part of an answer is read (``merc.answers``): what stands in <answer>, or the rest without one; <answer>
    alone; all of it."""
    sentences: Sentences = "search"
    """Whether labels are looked for within sentences (``search``) or not (``drop``)."""

    def truths(self) -> Sequence[str]:
        """What ``truth`` names."""
        return (self.truth,)

    def choices(self) -> Sequence[str]:
        """F, precision and recall."""
        return ("wheel_f", "wheel_precision", "wheel_recall")

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Compute once for predictions that say nothing: every fault of tables and truths shows."""
        self.compute(predictions, labels)

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers. Raises MercError for a truth that is no list of texts and for tables that cannot be read."""
        tables = read_wheels(self.wheels)
        keys = keys_of(predictions)
        true = {key: texts(p, self.truth) for key, p in keys.items()}
        read = {
            key: answer_of(p, words_of_wheels(tables, labels), self.block, self.sentences) for key, p in keys.items()
        }
        scores = wheel_f(true, {key: _all(one) for key, one in read.items()}, tables)
        published = wheel_f(true, _published(keys, tables, labels), tables)
        names = ("wheel_f", "wheel_precision", "wheel_recall", "samples")
        return {
            "wheel_f": scores.f,
            "wheel_f_or_nan": None if math.isnan(scores.f_or_nan) else scores.f_or_nan,
            "wheel_f_affectgpt": published.f,
            "wheel_precision": scores.precision,
            "wheel_recall": scores.recall,
            "samples": scores.samples,
            "excluded": scores.excluded,
            "labels_per_sample": scores.labels_per_sample,
            **_unknown(read, tables),
            "by_wheel": {n: dict(zip(names, row, strict=True)) for n, row in zip(WHEELS, scores.by_wheel, strict=True)},
            "answers": count_notes(read.values()),
        }


def keys_of(predictions: Sequence[Prediction]) -> dict[str, Prediction]:
    """Predictions by utterance; the conversation is named as well, since ids may come again in another."""
    return {f"{p.conversation}/{p.id}": p for p in predictions}


def texts(prediction: Prediction, name: str) -> list[str]:
    """A truth that is a list of texts, or one text. Raises MercError for any other."""
    true = prediction.true(name)
    if isinstance(true, str):
        return [true]
    if isinstance(true, list) and all(isinstance(one, str) for one in true):
        return true
    raise MercError(f"utterance {prediction.id!r}: {name!r} is {true!r}; a list of labels was expected")


def _text(prediction: Prediction, name: str) -> str:
    true = prediction.true(name)
    if not isinstance(true, str):
        raise MercError(f"utterance {prediction.id!r}: {name!r} is {true!r}; one label was expected")
    return true


def words_of_wheels(tables: Wheels, labels: LabelSpace) -> Vocabulary:
    """The words that the wheels and the labels know."""
    own = frozenset(map(plain, labels.labels))
    return vocabulary_of_words(tables.words | own, tables.printed | own)


def _all(read: Read) -> list[str]:
    """Everything that an answer names: labels that nothing knows count for the number of labels."""
    return [*read.labels, *read.outside]


def _published(keys: Mapping[str, Prediction], tables: Wheels, labels: LabelSpace) -> dict[str, list[str]]:
    """What each answer names by the published reading."""
    known = words_of_wheels(tables, labels)
    return {key: _all(published_answer_of(p, known, "'\",")) for key, p in keys.items()}


def _unknown(read: Mapping[str, Read], tables: Wheels) -> dict[str, Any]:
    names = [plain(label) for one in read.values() for label in _all(one) if not tables.knows(label)]
    return {"unknown": len(names), "unknown_labels": most_frequent(names)}
