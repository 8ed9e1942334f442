"""Metrics of what heads give: numbers, and several labels at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merc.components import Metric, Prediction
from merc.conversation import LabelSpace
from merc.errors import MercError

_NUMBERS = ("mae", "rmse", "pearson", "ccc")


@dataclass(frozen=True, kw_only=True)
class RegressionMetric(Metric):
    """How near numbers are to the truth: mean absolute error, root mean squared error, Pearson's correlation and Lin's
    concordance correlation coefficient (CCC), ``2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))²)``.

    Each number is measured over the utterances that have it (``n`` of ``n + unlabelled``), and stands under
    ``outputs``; what stands beside are means over them. A correlation with what is constant is 0.

    >>> guesses = [
    ...     Prediction(id=str(i), conversation="c", values={"valence": v}, truths={} if t is None else {"valence": t})
    ...     for i, (v, t) in enumerate([(0.0, 0.0), (0.5, 1.0), (0.9, None)])
    ... ]
    >>> numbers = RegressionMetric().compute(guesses, LabelSpace(("joy",)))
    >>> numbers["mae"], numbers["pearson"], numbers["ccc"], numbers["n"], numbers["unlabelled"]
    (0.25, 1.0, 0.6666666666666666, 2, 1)
    """

    outputs: tuple[str, ...] = ()
    """The names of the heads' numbers that count; by default all."""

    def choices(self) -> Sequence[str]:
        """The two correlations, of which higher is better: means, and of each output that is named
        (``outputs.valence.ccc``)."""
        each = [f"outputs.{name}.{number}" for name in self.outputs for number in ("ccc", "pearson")]
        return ("ccc", "pearson", *each)

    def truths(self) -> Sequence[str]:
        """None that all predictions need: of each output those are measured that have it."""
        return ()

    def needs(self) -> Sequence[str]:
        """Numbers, and those that ``outputs`` names."""
        return ("numbers", *(f"values.{name}" for name in self.outputs))

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers; ``n`` alone where no utterance has any."""
        from merc.evaluation.values import agreement

        names = self.outputs or tuple(dict.fromkeys(k for p in predictions for k, v in p.values.items() if _number(v)))
        measures = {}
        measured = {p.id for p in predictions for name in names if self._pair(p, name) is not None}
        for name in names:
            pairs = [pair for p in predictions if (pair := self._pair(p, name)) is not None]
            counts = {"n": len(pairs), "unlabelled": len(predictions) - len(pairs)}
            measures[name] = {**counts, **agreement(pairs)} if pairs else counts
        averaged = [numbers for numbers in measures.values() if numbers["n"]]
        means = {one: sum(numbers[one] for numbers in averaged) / len(averaged) for one in _NUMBERS} if averaged else {}
        return {"n": len(measured), "unlabelled": len(predictions) - len(measured), **means, "outputs": measures}

    @staticmethod
    def _pair(prediction: Prediction, name: str) -> tuple[float, float] | None:
        """What was predicted and what is true; None where either is not known."""
        answer, true = prediction.values.get(name), prediction.true(name)
        if answer is None or true is None:
            return None
        if not _number(answer) or not _number(true):
            raise MercError(f"utterance {prediction.id!r}: {name} is {true!r}, predicted {answer!r}; both are numbers")
        return float(answer), float(true)


@dataclass(frozen=True, kw_only=True)
class LabelSets(Metric):
    """How well several labels at once are found: micro and macro F1, the share of utterances of which all labels are
    right (``subset_accuracy``), and the share of single decisions that are wrong (``hamming_loss``).

    Macro F1 is the mean over the labels that are true of some utterance, which ``averaged_over`` lists.

    >>> said = {"labels": {"labels": ["joy"], "probabilities": {"joy": 0.9, "fear": 0.4}}}
    >>> guess = Prediction(id="u", conversation="c", values=said, truths={"labels": ["joy", "fear"]})
    >>> numbers = LabelSets().compute([guess], LabelSpace(("joy",)))
    >>> numbers["micro_f1"], numbers["macro_f1"], numbers["subset_accuracy"], numbers["hamming_loss"]
    (0.6666666666666666, 0.5, 0.0, 0.5)
    """

    field: str = "labels"
    """The value of a head that is measured."""

    def choices(self) -> Sequence[str]:
        """Those that higher is better for."""
        return ("micro_f1", "macro_f1", "subset_accuracy")

    def truths(self) -> Sequence[str]:
        """``field``."""
        return (self.field,)

    def needs(self) -> Sequence[str]:
        """A set of labels by the name ``field``."""
        return ("label_sets", f"values.{self.field}")

    def compute(self, predictions: Sequence[Prediction], labels: LabelSpace) -> dict[str, Any]:
        """The numbers, and of each label its precision, recall, F1 and support under ``per_label``."""
        from merc.evaluation.values import set_numbers

        answers = [self._set(prediction) for prediction in predictions]
        names = list(dict.fromkeys(label for one in answers for label in one["probabilities"]))
        for p in predictions:
            if unknown := [label for label in p.true(self.field) if label not in names]:
                raise MercError(
                    f"utterance {p.id!r}: {self.field} has {unknown[0]!r}, which is none of the labels that the head "
                    f"gives: {', '.join(names)}"
                )
        return set_numbers(
            [(one["labels"], p.true(self.field)) for one, p in zip(answers, predictions, strict=True)], names
        )

    def _set(self, prediction: Prediction) -> Mapping[str, Any]:
        answer = prediction.values.get(self.field)
        if not isinstance(answer, Mapping) or not {"labels", "probabilities"} <= set(answer):
            raise MercError(f"utterance {prediction.id!r}: {self.field} was predicted as {answer!r}, which is no set")
        return answer


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
