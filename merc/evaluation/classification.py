"""The numbers of a classification: accuracy, F1, recall, and who was taken for whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.errors import MercError


class PerClass(TypedDict):
    """The numbers of one label."""

    precision: float
    """Of the utterances that were taken for it, the share that are; 0 where none was."""
    recall: float
    """Of the utterances that are, the share that were taken for it; 0 where none is."""
    f1: float
    """The harmonic mean of both."""
    support: int
    """How many utterances are."""


class Confusion(TypedDict):
    """Who was taken for whom."""

    labels: list[str]
    """The labels, in the order of rows and columns."""
    matrix: list[list[int]]
    """``matrix[i][j]`` counts the utterances of label i that were taken for label j."""
    unparsed: list[int]
    """The utterances of each label whose answer could not be parsed."""


class ClassificationNumbers(TypedDict):
    """The numbers of merc's own metric ``classification``, from 0 to 1."""

    n: int
    """The utterances that are counted: those with a truth."""
    accuracy: float
    """The share of answers that are right."""
    weighted_f1: float
    """The mean of the labels' F1, weighted by how often each is true."""
    macro_f1: float
    """The mean of the F1 of the labels that occur as truth."""
    uar: float
    """Unweighted average recall: the mean of the recall of the labels that occur as truth."""
    averaged_over: list[str]
    """The labels that occur as truth."""
    per_class: dict[str, PerClass]
    """By label, of all labels: ``precision``, ``recall``, ``f1`` and ``support``."""
    confusion: Confusion
    """``labels``, ``matrix`` and ``unparsed``."""
    unparsed_rate: float
    """The share of answers that could not be parsed."""


def classification(predictions: Sequence[Prediction], labels: LabelSpace) -> ClassificationNumbers:
    """Numbers from 0 to 1 over predictions that all have a truth (at least one).

    - A prediction without a label (an answer that could not be parsed) is wrong in every number: it lowers the
      recall and the F1 of its true label, and accuracy with them. ``unparsed_rate`` is its share of all.
    - ``weighted_f1`` is the mean of the labels' F1, weighted by how often each is true.
    - ``macro_f1`` and ``uar`` (unweighted average recall) are means over the labels that occur as truth, listed in
      ``averaged_over``: a label that nobody bears has no recall, and must not pull the mean down. Predicting such a
      label is still wrong.
    - ``per_class`` has every label of the space. Precision is 0 for a label that was never predicted, recall and F1
      are 0 for one that never occurs (``support`` 0).
    - ``confusion["matrix"][i][j]`` counts utterances of label i that were taken for j, and
      ``confusion["unparsed"][i]`` those whose answer could not be parsed; a row and its unparsed sum to the support.

    >>> pairs = [("joy", "joy"), ("joy", None), ("anger", "joy"), ("anger", "anger")]
    >>> predictions = [Prediction(id=str(i), conversation="c", truth=t, label=p) for i, (t, p) in enumerate(pairs)]
    >>> numbers = classification(predictions, LabelSpace(("anger", "fear", "joy")))
    >>> numbers["accuracy"], numbers["uar"], numbers["unparsed_rate"], numbers["averaged_over"]
    (0.5, 0.5, 0.25, ['anger', 'joy'])
    >>> numbers["confusion"]["matrix"], numbers["confusion"]["unparsed"]
    ([[1, 0, 1], [0, 0, 0], [0, 0, 1]], [0, 0, 1])
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    if not predictions:
        raise ValueError("no prediction to count; the caller leaves out splits without labels")
    count = len(labels)
    truth = [_index(labels, p, p.truth, "truth") for p in predictions]
    # An unparsed answer is a class of its own, beyond the label space, so that no label is credited or blamed for it.
    guess = [count if p.label is None else _index(labels, p, p.label, "predicted label") for p in predictions]
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, guess, labels=range(count), average=None, zero_division=0.0
    )
    table = confusion_matrix(truth, guess, labels=range(count + 1))
    total = len(predictions)
    present = support > 0
    return {
        "n": total,
        "accuracy": float(table.trace() / total),
        "weighted_f1": float((f1 * support).sum() / total),
        "macro_f1": float(f1[present].mean()),
        "uar": float(recall[present].mean()),
        "averaged_over": [label for label, there in zip(labels.labels, present, strict=True) if there],
        "per_class": {
            label: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, label in enumerate(labels.labels)
        },
        "confusion": {
            "labels": list(labels.labels),
            "matrix": table[:count, :count].tolist(),
            "unparsed": table[:count, count].tolist(),
        },
        "unparsed_rate": guess.count(count) / total,
    }


def _index(labels: LabelSpace, prediction: Prediction, label: str | None, what: str) -> int:
    if label is None:
        raise ValueError(f"utterance {prediction.id!r} has no truth; the caller leaves such out")
    try:
        return labels.index(label)
    except MercError as error:
        raise MercError(f"utterance {prediction.id!r}, {what}: {error}") from None
