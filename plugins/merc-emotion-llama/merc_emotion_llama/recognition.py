"""One label an utterance: accuracy and weighted F1 as the benchmark takes them, and recalls as DFEW reports them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from merc import LabelSpace, MercError, Metric, Prediction
from merc.answers import Block, Read, Sentences, vocabulary_of_labels
from merc_emotion_llama.answers import answer_of, count_notes, published_answer_of

_NONE = "(none)"


@dataclass(frozen=True, kw_only=True)
class _OneLabel(Metric):
    """A metric of answers of which each holds one label."""

    truth: str = "label"
    """The name of the true label, which need not be the one that the model was trained on."""
    among: tuple[str, ...] = ()
    """The labels that count; by default those of the corpus."""
    block: Block = "answer-or-rest"
    """Which part of an answer is read (``merc.answers``): what stands in <answer>, or the rest without one; <answer>
    alone; all of it."""
    sentences: Sentences = "search"
    """Whether labels are looked for within sentences (``search``) or not (``drop``)."""

    def truths(self) -> Sequence[str]:
        """What ``truth`` names."""
        return (self.truth,)

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Compute once for predictions that say nothing: every fault of tables and truths shows."""
        self.compute(predictions, labels)


@dataclass(frozen=True, kw_only=True)
class Recognition(_OneLabel):
    """``mmeverse-recognition``: accuracy and weighted F1 of one label an utterance, for the sets without a metric of
    their own (CAER, E3, MAFW, MELD's sentiment, MC-EIU and its intentions).

    An answer with none of the labels, or with several, is wrong and counted as ``unparsed``. ``accuracy_affectgpt`` and
    ``weighted_f1_affectgpt`` are the same numbers by the published reading: all of the answer, in small letters, is a
    label.
    """

    def choices(self) -> Sequence[str]:
        """Both numbers."""
        return ("accuracy", "weighted_f1")

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers. Raises MercError for a truth that is none of the labels."""
        from sklearn.metrics import accuracy_score, f1_score

        space = chosen(labels, self.among)
        truth, predicted, published, beside = _one_label(predictions, space, self.truth, self.block, self.sentences)

        def numbers(answers: list[str], name: str = "") -> dict[str, float]:
            f1 = f1_score(truth, answers, labels=list(space.labels), average="weighted", zero_division=0.0)
            return {f"accuracy{name}": float(accuracy_score(truth, answers)), f"weighted_f1{name}": float(f1)}

        return {**numbers(predicted), **numbers(published, "_affectgpt"), **beside}


@dataclass(frozen=True, kw_only=True)
class Recalls(_OneLabel):
    """``dfew-recall``: UAR and WAR, as DFEW (Jiang et al., 2020) reports them.

    ``uar`` is the mean of the labels' recalls, ``war`` their mean weighted by how often each is true, which is the
    accuracy; both over the labels that occur as truth, listed in ``averaged_over``. ``recall_<label>`` is that of one
    label, null where it never occurs. The numbers ``…_affectgpt`` are as of ``mmeverse-recognition``.
    """

    def choices(self) -> Sequence[str]:
        """Both numbers."""
        return ("uar", "war")

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers. Raises MercError for a truth that is none of the labels."""
        from sklearn.metrics import recall_score

        space = chosen(labels, self.among)
        truth, predicted, published, beside = _one_label(predictions, space, self.truth, self.block, self.sentences)
        present = [label for label in space.labels if label in truth]

        def recall(answers: list[str], average: str) -> float:
            return float(recall_score(truth, answers, labels=present, average=average, zero_division=0.0))

        each = recall_score(truth, predicted, labels=list(space.labels), average=None, zero_division=0.0)
        by_label = {
            f"recall_{label}": float(one) if label in present else None
            for label, one in zip(space.labels, each, strict=True)
        }
        return {
            "uar": recall(predicted, "macro"),
            "war": recall(predicted, "weighted"),
            "uar_affectgpt": recall(published, "macro"),
            "war_affectgpt": recall(published, "weighted"),
            **by_label,
            "averaged_over": present,
            **beside,
        }


def chosen(labels: LabelSpace, among: Sequence[str]) -> LabelSpace:
    """The labels that count: those named, with their words where the corpus has some, or the corpus' own."""
    if not among and not len(labels):
        raise MercError("the corpus has no labels of its own; name those that count in the metric's 'among'")
    if not among:
        return labels
    return LabelSpace(tuple(among), {label: labels.words[label] for label in among if label in labels.words})


def _one_label(
    predictions: Sequence[Prediction], space: LabelSpace, name: str, block: Block, sentences: Sentences
) -> tuple[list[str], list[str], list[str], dict[str, Any]]:
    """What is true, what was answered, the same by the published reading, and what stands beside the numbers."""
    truth = []
    for p in predictions:
        if p.true(name) not in space.labels:
            raise MercError(
                f"utterance {p.id!r}: {name!r} is {p.true(name)!r}, which is none of the labels "
                + ", ".join(space.labels)
            )
        truth.append(p.true(name))
    known = vocabulary_of_labels(space)
    read = [answer_of(p, known, block, sentences) for p in predictions]
    predicted, published = (
        [_only(one) for one in answers] for answers in (read, [published_answer_of(p, known) for p in predictions])
    )
    several = sum(len(one.labels) > 1 for one in read)
    beside = {"samples": len(truth), "unparsed": predicted.count(_NONE), "several_labels": several}
    return truth, predicted, published, {**beside, "answers": count_notes(read)}


def _only(read: Read) -> str:
    return read.labels[0] if len(read.labels) == 1 else _NONE
