"""The metric that merc brings itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from merc.components import Metric, Prediction
from merc.conversation import LabelSpace


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

        return classification(predictions, labels)


@dataclass(frozen=True, kw_only=True)
class LastUtterance(Classification):
    """The numbers of ``classification`` over the last utterance of each dialogue alone: of each conversation, or of
    each part where ``evaluate.parts`` divides them.

    >>> guesses = [
    ...     Prediction(id=label, conversation="c", truth="joy", label=label, truths={"last": last})
    ...     for label, last in [("joy", False), ("anger", True)]
    ... ]
    >>> numbers = LastUtterance().compute(guesses, LabelSpace(("joy", "anger")))
    >>> numbers["of"], numbers["n"], numbers["accuracy"]
    ('the last utterance of each dialogue', 1, 0.0)
    """

    def truths(self) -> Sequence[str]:
        """The label, and whether the utterance is the last."""
        return ("label", "last")

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers, beside ``of``, which says what they are of; ``n`` 0 alone where no last utterance has a
        label."""
        last = [p for p in predictions if p.true("last")]
        return {"of": "the last utterance of each dialogue", "n": 0, **(super().compute(last, labels) if last else {})}
