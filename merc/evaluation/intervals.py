"""The 95 % intervals of a classification's numbers, worked out from predictions by drawing whole conversations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.evaluation.significance import RESAMPLES, Answers, Statistic, Values, Weights, counted, intervals

FEW = 100
"""Numbers of fewer utterances are given with a caution."""

Ends = tuple[float, float] | str
"""The lower and the upper end of an interval, or why there is none."""


def label_statistics(
    numbers: Sequence[str], predictions: Sequence[Prediction], labels: LabelSpace
) -> dict[str, Statistic]:
    """Numbers as ``counted`` has them, each as a function of how often each conversation is drawn, by name.

    Args:
        numbers: Their names.
        predictions: At least one, each with a truth; their conversations count in the order in which they come.
        labels: The labels; others that are true or predicted count as well.
    """
    named = (label for p in predictions for label in (p.true("label"), p.label) if label is not None)
    place = {label: i for i, label in enumerate(dict.fromkeys([*labels.labels, *named]))}
    order = {name: i for i, name in enumerate(dict.fromkeys(p.conversation for p in predictions))}

    def classes(answers: Sequence[str | None]) -> Answers:
        return np.array([len(place) if a is None else place[a] for a in answers], dtype=np.int64)

    truth, answers = classes([p.true("label") for p in predictions]), classes([p.label for p in predictions])
    conversation = np.array([order[p.conversation] for p in predictions])
    return {name: counted(name, truth, answers, len(place), conversation) for name in numbers}


def label_intervals(
    numbers: Sequence[str], predictions: Sequence[Prediction], labels: LabelSpace, resamples: int = RESAMPLES
) -> dict[str, Ends]:
    """The interval of each of these numbers, from the same draws; arguments as in ``label_statistics``.

    >>> right = [Prediction(id=f"u{i}", conversation=f"c{i}", truth="joy", label="joy") for i in range(5)]
    >>> label_intervals(["accuracy"], right, LabelSpace(("joy", "fear")), resamples=100)
    {'accuracy': (1.0, 1.0)}
    """
    conversations = len({p.conversation for p in predictions})
    return intervals(label_statistics(numbers, predictions, labels), conversations, resamples=resamples)


def agreement_statistics(pairs: Sequence[tuple[float, float]], conversations: Sequence[str]) -> dict[str, Statistic]:
    """The numbers of ``agreement`` (mae, rmse, pearson, ccc) as functions of how often each conversation is drawn.

    Args:
        pairs: What was predicted and what is true, at least one pair.
        conversations: The conversation of each pair; they count in the order in which they come.

    >>> numbers = agreement_statistics([(1.0, 1.0), (2.0, 3.0)], ["c0", "c1"])
    >>> round(float(numbers["ccc"](np.ones((1, 2)))[0]), 4)
    0.6667
    """
    order = {name: i for i, name in enumerate(dict.fromkeys(conversations))}
    answer, true = np.asarray(pairs, dtype=np.float64).T
    each = np.stack([np.ones_like(true), answer, true, answer**2, true**2, answer * true, abs(answer - true)], axis=1)
    sums = np.zeros((len(order), each.shape[1]))
    np.add.at(sums, [order[name] for name in conversations], each)

    def moments(weights: Weights) -> Values:
        drawn = weights @ sums
        return (drawn / drawn[:, :1]).T

    def spread(weights: Weights) -> tuple[Values, Values, Values, Values]:
        _, mean_answer, mean_true, answer_2, true_2, product, _ = moments(weights)
        # What is constant has no spread, whatever rounding leaves of it.
        var_answer, var_true = (
            np.where(var > 1e-12, var, 0.0) for var in (answer_2 - mean_answer**2, true_2 - mean_true**2)
        )
        return product - mean_answer * mean_true, var_answer, var_true, (mean_answer - mean_true) ** 2

    def pearson(weights: Weights) -> Values:
        together, var_answer, var_true, _ = spread(weights)
        below = np.sqrt(var_answer * var_true)
        correlation: Values = np.divide(together, below, out=np.zeros_like(below), where=below > 0).clip(-1, 1)
        return correlation

    def ccc(weights: Weights) -> Values:
        together, var_answer, var_true, apart = spread(weights)
        below = var_answer + var_true + apart
        return np.divide(2 * together, below, out=np.zeros_like(below), where=below > 0)

    def rmse(weights: Weights) -> Values:
        _, _, _, answer_2, true_2, product, _ = moments(weights)
        root: Values = np.sqrt((answer_2 + true_2 - 2 * product).clip(0))
        return root

    return {"mae": lambda weights: moments(weights)[6], "rmse": rmse, "pearson": pearson, "ccc": ccc}


def agreement_intervals(pairs: Sequence[tuple[float, float]], conversations: Sequence[str]) -> dict[str, Ends]:
    """The interval of each of these numbers; arguments as in ``agreement_statistics``."""
    return intervals(agreement_statistics(pairs, conversations), len(set(conversations)))
