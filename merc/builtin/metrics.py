"""The metrics that merc brings itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merc.components import Metric, Prediction
from merc.conversation import LabelSpace
from merc.errors import MercError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Classification(Metric):
    """Accuracy, weighted F1, macro F1, UAR, the numbers of every label and the confusion matrix, from 0 to 1.

    An answer that could not be parsed is wrong in every number. Macro F1 and UAR are means over the labels that occur
    as truth, which ``averaged_over`` lists. See ``merc.evaluation.classification`` for each number.

    >>> guesses = [Prediction(id="u", conversation="c", truth="joy", label="joy")]
    >>> Classification().compute(guesses, LabelSpace(("joy", "anger")))["macro_f1"]
    1.0
    """

    def choices(self) -> Sequence[str]:
        """The four that higher is better for."""
        return ("accuracy", "weighted_f1", "macro_f1", "uar")

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers of ``metrics.json``. Every prediction has a truth, and there is at least one."""
        from merc.evaluation.classification import classification

        return {**classification(predictions, labels)}


@dataclass(frozen=True, kw_only=True)
class LastUtterance(Classification):
    """The numbers of ``classification`` over the last utterance of each dialogue alone: of each conversation, or of
    each part where ``evaluate.segments`` divides them.

    >>> guesses = [
    ...     Prediction(id=label, conversation="c", truth="joy", label=label, truths={"last": last})
    ...     for label, last in [("joy", False), ("anger", True)]
    ... ]
    >>> numbers = LastUtterance().compute(guesses, LabelSpace(("joy", "anger")))
    >>> numbers["of"], numbers["n"], numbers["accuracy"]
    ('the last utterance of each dialogue', 1, 0.0)
    """

    def truths(self) -> Sequence[str]:
        """Whether the utterance is the last. Those without a label are counted, as not measured."""
        return ("last",)

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers, beside ``of``, which says what they are of, ``n``, the last utterances that have a label, and
        ``unlabelled``, those that have none; no other numbers where none has."""
        last = [p for p in predictions if p.true("last")]
        measured = [p for p in last if p.truth is not None]
        numbers = super().compute(measured, labels) if measured else {"n": 0}
        return {"of": "the last utterance of each dialogue", "n": 0, "unlabelled": len(last) - len(measured), **numbers}


@dataclass(frozen=True, kw_only=True)
class MicroF1(Metric):
    """Precision, recall and their F1 over all utterances and labels together, but for excluded labels.

    What is true of an excluded label is not to be found, and what is taken for one claims nothing: an utterance that
    bears one counts only where another label is predicted for it, which lowers precision. DailyDialog is measured so
    with ``exclude: [neutral]``. With nothing excluded, and every answer parsed, it is the accuracy. An answer that
    could not be parsed lowers recall alone.

    >>> pairs = [("neutral", "joy"), ("joy", "joy")]
    >>> guesses = [Prediction(id=str(i), conversation="c", truth=t, label=p) for i, (t, p) in enumerate(pairs)]
    >>> found = MicroF1(exclude=("neutral",)).compute(guesses, LabelSpace(("neutral", "joy")))
    >>> found["precision"], found["recall"], round(found["micro_f1"], 4), found["of"]
    (0.5, 1.0, 0.6667, 'all labels but neutral')
    """

    exclude: tuple[str, ...] = ()
    """Labels that do not count."""

    def choices(self) -> Sequence[str]:
        """The F1."""
        return ("micro_f1",)

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Raise MercError for an excluded label that there is not, and where none is left."""
        _check_labels("exclude", self.exclude, labels)
        if not set(labels.labels) - set(self.exclude):
            raise MercError("exclude names every label, so that nothing is left to measure")

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """``micro_f1``, ``precision``, ``recall`` (0 where nothing was predicted or true), ``support``: how many
        utterances bear a label that counts, and ``of``: which these are."""
        answers = [p.label for p in predictions if p.label is not None and p.label not in self.exclude]
        true = [p.truth for p in predictions if p.truth not in self.exclude]
        right = sum(p.label == p.truth for p in predictions if p.truth not in self.exclude)
        both = len(answers) + len(true)
        return {
            "of": f"all labels but {', '.join(self.exclude)}" if self.exclude else "all labels",
            "micro_f1": 2 * right / both if both else 0.0,
            "precision": right / len(answers) if answers else 0.0,
            "recall": right / len(true) if true else 0.0,
            "support": len(true),
        }


@dataclass(frozen=True, kw_only=True)
class Reweighted(Metric):
    """Accuracy, weighted F1 and macro F1 as if labels were as common as ``shares`` says.

    Each utterance counts as the share of its label there, divided by the label's share among the utterances that are
    measured. A small dev split often has other shares than train and test: 42 % of the utterances of MELD's dev split
    are neutral, against 47 and 48 %. What predicts neutral less often is then better on dev than it is on test, and
    with the shares of train it is not.

    >>> pairs = [("neutral", "neutral"), ("joy", "neutral")]
    >>> guesses = [Prediction(id=str(i), conversation="c", truth=t, label=p) for i, (t, p) in enumerate(pairs)]
    >>> Reweighted(shares={"neutral": 3, "joy": 1}).compute(guesses, LabelSpace(("neutral", "joy")))["accuracy"]
    0.75
    """

    shares: Mapping[str, float]
    """How common each label is, as shares or as counts; what is not named, or 0, does not count."""

    def __post_init__(self) -> None:
        if not all(0 <= share < float("inf") for share in self.shares.values()):
            raise ValueError(f"shares are 0 or above, not {dict(self.shares)}")
        if not any(self.shares.values()):
            raise ValueError("shares: give a label a share above 0; nothing counts otherwise")

    def choices(self) -> Sequence[str]:
        """The three numbers."""
        return ("accuracy", "weighted_f1", "macro_f1")

    def check(self, predictions: Sequence[Prediction], labels: LabelSpace) -> None:
        """Raise MercError for a label that there is not."""
        _check_labels("shares", self.shares, labels)

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers, beside ``of``, which names the labels that count and that somebody bears, and ``n``, how many
        utterances count; no other numbers where none does. An answer that could not be parsed is wrong in each."""
        import numpy as np

        from merc.evaluation.classification import classification

        confusion = classification(predictions, labels)["confusion"]
        counts = np.column_stack([confusion["matrix"], confusion["unparsed"]])  # a row for each true label
        shares = np.array([self.shares.get(label, 0) for label in labels.labels])
        there = (counts.sum(1) > 0) & (shares > 0)
        names = [label for label, measured in zip(labels.labels, there, strict=True) if measured]
        what = {"of": f"labels in the given shares: {', '.join(names)}", "n": int(counts[there].sum())}
        if not names:
            return what
        weighted = counts[there] * (shares / counts.sum(1).clip(min=1))[there, None]
        right, true, answers = weighted[:, :-1][:, there].diagonal(), weighted.sum(1), weighted[:, :-1].sum(0)[there]
        f1 = 2 * right / (true + answers)
        return {
            **what,
            "accuracy": float(right.sum() / true.sum()),
            "weighted_f1": float((f1 * true).sum() / true.sum()),
            "macro_f1": float(f1.mean()),
        }


def _check_labels(key: str, names: Iterable[str], labels: LabelSpace) -> None:
    """Raise MercError, naming the parameter, for a label that there is not."""
    for name in names:
        if name not in labels.labels:
            raise MercError(
                f"{key}: there is no label {name!r}.{did_you_mean(name, labels.labels)} The labels are: "
                f"{', '.join(labels.labels)}"
            )
