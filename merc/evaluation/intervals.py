"""The 95 % intervals of a classification's numbers, worked out from predictions by drawing whole conversations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.evaluation.significance import RESAMPLES, Answers, Statistic, counted, intervals

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
        labels: All labels that are true or predicted.
    """
    place = {label: i for i, label in enumerate(labels.labels)}
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
