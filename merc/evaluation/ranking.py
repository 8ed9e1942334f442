"""How well the probability of each label tells its utterances from the others: ROC and precision-recall curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.evaluation.svg import Chart, Series, chart

_POINTS = 80
_LINES = 8

Line = npt.NDArray[np.float64]
"""Coordinates of a curve's points ``[points]``."""


@dataclass(frozen=True, kw_only=True)
class RankedLabel:
    """A label against all others: the area under its ROC curve, its average precision, and how many utterances have it,
    which as a share is the average precision of chance."""

    label: str
    auc: float
    average_precision: float
    support: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The curves of a split. ``count`` of ``total`` labelled predictions have probabilities; ``left_out`` are labels
    that none or all of these have, and ``not_drawn`` those in the table alone."""

    count: int
    total: int
    labels: Sequence[RankedLabel]
    roc: Chart
    precision_recall: Chart
    left_out: Sequence[str]
    not_drawn: Sequence[str]

    @property
    def mean_auc(self) -> float:
        """The mean of the labels' areas, each with the same weight."""
        return sum(one.auc for one in self.labels) / len(self.labels)

    @property
    def mean_average_precision(self) -> float:
        """The mean of the labels' average precision, each with the same weight."""
        return sum(one.average_precision for one in self.labels) / len(self.labels)


def ranking(predictions: Sequence[Prediction], labels: LabelSpace) -> Ranking | None:
    """The curves over the predictions that have a truth and probabilities; ``None`` where no label can be told from
    another in them. A label that a prediction gives no probability has 0.

    >>> chances = [0.9, 0.6, 0.4, 0.1]
    >>> predictions = [Prediction(id=str(i), conversation="c", truth=truth, label="joy",
    ...                           probabilities={"joy": chance, "fear": 1 - chance})
    ...                for i, (truth, chance) in enumerate(zip(["joy", "fear", "joy", "fear"], chances))]
    >>> curves = ranking(predictions, LabelSpace(("joy", "fear", "anger")))
    >>> [(one.label, one.auc) for one in curves.labels], curves.left_out
    ([('joy', 0.75), ('fear', 0.75)], ['anger'])
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

    labelled = [p for p in predictions if p.truth is not None]
    known = [(p.truth, p.probabilities) for p in labelled if p.probabilities]
    rows: list[RankedLabel] = []
    roc: dict[str, list[tuple[float, float]]] = {}
    precision_recall: dict[str, list[tuple[float, float]]] = {}
    for label in labels.labels:
        truth = np.array([own == label for own, _ in known])
        support = int(truth.sum())
        if not 0 < support < len(known):
            continue
        scores = np.array([float(chances.get(label, 0.0)) for _, chances in known])
        false_rate, true_rate, _ = roc_curve(truth, scores)
        precision, recall, _ = precision_recall_curve(truth, scores)
        roc[label], precision_recall[label] = _thin(false_rate, true_rate), _thin(recall[::-1], precision[::-1])
        rows.append(
            RankedLabel(
                label=label,
                auc=float(roc_auc_score(truth, scores)),
                average_precision=float(average_precision_score(truth, scores)),
                support=support,
                share=support / len(known),
            )
        )
    if not rows:
        return None
    largest = {row.label for row in sorted(rows, key=lambda row: -row.support)[:_LINES]}
    drawn = [row.label for row in rows if row.label in largest]
    spans: dict[str, Any] = {"x_span": (0, 1), "y_span": (0, 1)}
    chance = Series("chance", [(0.0, 0.0), (1.0, 1.0)], faint=True)
    return Ranking(
        count=len(known),
        total=len(labelled),
        labels=rows,
        roc=chart(
            "ROC curve: true positive rate",
            [chance, *(Series(label, roc[label]) for label in drawn)],
            across="false positive rate",
            **spans,
        ),
        precision_recall=chart(
            "Precision-recall curve: precision",
            [Series(label, precision_recall[label]) for label in drawn],
            across="recall",
            **spans,
        ),
        left_out=[label for label in labels.labels if label not in roc],
        not_drawn=[row.label for row in rows if row.label not in largest],
    )


def _thin(across: Line, up: Line) -> list[tuple[float, float]]:
    """Points of a curve that lie evenly along it, its first and last among them."""
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(across)) + np.abs(np.diff(up)))])
    chosen = np.unique(np.searchsorted(along, np.linspace(0, along[-1], _POINTS)).clip(0, len(along) - 1))
    return [(float(across[i]), float(up[i])) for i in np.union1d([0, len(along) - 1], chosen)]
