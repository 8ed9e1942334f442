"""What heads gave against what is true: the numbers of metrics, and what the report shows of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merc.components import Prediction
from merc.evaluation.intervals import Ends, agreement_intervals
from merc.evaluation.metrics import by_split, split_order
from merc.evaluation.shapes import is_number
from merc.evaluation.svg import Chart, Series, chart

_MOST_POINTS = 1000


def agreement(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """The numbers of pairs of what was predicted and what is true, at least one. A correlation with what is constant
    is 0.

    >>> agreement([(1.0, 1.0), (2.0, 3.0)])
    {'mae': 0.5, 'rmse': 0.7071067811865476, 'pearson': 1.0, 'ccc': 0.6666666666666666}
    """
    count = len(pairs)
    mean_answer, mean_true = (sum(pair[side] for pair in pairs) / count for side in (0, 1))
    var_answer = sum((answer - mean_answer) ** 2 for answer, _ in pairs) / count
    var_true = sum((true - mean_true) ** 2 for _, true in pairs) / count
    together = sum((answer - mean_answer) * (true - mean_true) for answer, true in pairs) / count
    spread = math.sqrt(var_answer) * math.sqrt(var_true)
    apart = var_answer + var_true + (mean_answer - mean_true) ** 2
    return {
        "mae": sum(abs(answer - true) for answer, true in pairs) / count,
        "rmse": math.sqrt(sum((answer - true) ** 2 for answer, true in pairs) / count),
        "pearson": min(1.0, max(-1.0, together / spread)) if spread else 0.0,
        "ccc": 2 * together / apart if apart else 0.0,
    }


def set_numbers(pairs: Sequence[tuple[Sequence[str], Sequence[str]]], names: Sequence[str]) -> dict[str, Any]:
    """The numbers of pairs of labels that were predicted and labels that are true, at least one pair, all of ``names``.

    >>> scores = set_numbers([(["joy"], ["joy", "fear"])], ["joy", "fear"])
    >>> scores["micro_f1"], scores["subset_accuracy"], scores["hamming_loss"], scores["per_label"]["fear"]["recall"]
    (0.6666666666666666, 0.0, 0.5, 0.0)
    """
    import numpy as np

    guess, truth = (np.array([[name in pair[side] for name in names] for pair in pairs]) for side in (0, 1))
    right, claimed, support = (one.sum(0) for one in (truth & guess, guess, truth))
    f1 = 2 * right / np.maximum(claimed + support, 1)
    there = support > 0
    return {
        "micro_f1": float(2 * right.sum() / max(1, claimed.sum() + support.sum())),
        "macro_f1": float(f1[there].mean()) if there.any() else 0.0,
        "subset_accuracy": float((truth == guess).all(1).mean()),
        "hamming_loss": float((truth != guess).mean()),
        "averaged_over": [name for name, occurs in zip(names, there, strict=True) if occurs],
        "per_label": {
            name: {
                "precision": float(right[i] / max(1, claimed[i])),
                "recall": float(right[i] / max(1, support[i])),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, name in enumerate(names)
        },
    }


@dataclass(frozen=True)
class NumberView:
    """A number of a head over a split: of how many utterances it is known, its agreement with what is true, with the
    intervals of these numbers, and both against each other."""

    name: str
    n: int
    total: int
    numbers: Mapping[str, float]
    intervals: Mapping[str, Ends]
    chart: Chart | None


@dataclass(frozen=True)
class SetView:
    """Labels of a head, several at once, over a split."""

    name: str
    n: int
    total: int
    numbers: Mapping[str, Any]


@dataclass(frozen=True)
class ValuesView:
    """All that heads gave of a split."""

    split: str
    numbers: Sequence[NumberView]
    sets: Sequence[SetView]


def values_views(predictions: Sequence[Prediction]) -> list[ValuesView]:
    """The splits of which heads gave something, test first."""
    splits = by_split(p for p in predictions if p.values)
    return sorted((_view(split, mine) for split, mine in splits.items()), key=lambda view: split_order(view.split))


def in_words(prediction: Prediction) -> dict[str, str]:
    """The values of a prediction as texts, by name, each with what is true where that is known.

    >>> in_words(Prediction(id="u", conversation="c", values={"valence": 0.3128}, truths={"valence": 0.5}))
    {'valence': '0.313 (true: 0.5)'}
    """
    words = {}
    for name, value in prediction.values.items():
        true = prediction.true(name)
        about = "" if true is None else f" (true: {_words(true)})"
        words[name] = _words(value["labels"] if _is_set(value) else value) + about
    return words


def details_in_words(details: Mapping[str, Any]) -> dict[str, str]:
    """What a decoder kept of an answer as texts, by name.

    >>> details_in_words({"prior": {"joy": 0.75, "fear": 0.25}, "votes": ["joy", None], "rationales": ["He laughs."]})
    {'prior': 'joy: 0.75; fear: 0.25', 'votes': 'joy; none', 'rationales': 'He laughs.'}
    """
    return {name: _nested(value) for name, value in details.items()}


def _nested(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_nested(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(map(_nested, value))
    return "none" if value is None else _words(value)


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:.3g}" if is_number(value) else str(value)


def _is_set(value: Any) -> bool:
    return isinstance(value, Mapping) and {"labels", "probabilities"} <= set(value)


def _view(split: str, predictions: Sequence[Prediction]) -> ValuesView:
    numbers, sets = [], []
    for name in dict.fromkeys(name for p in predictions for name in p.values):
        mine = [(p.values[name], p.true(name)) for p in predictions if name in p.values]
        if all(is_number(predicted) for predicted, _ in mine):
            named = [p for p in predictions if name in p.values and is_number(p.true(name))]
            pairs = [(float(p.values[name]), float(p.true(name))) for p in named]
            ends = agreement_intervals(pairs, [p.conversation for p in named]) if pairs else {}
            drawn = _scatter(name, pairs) if pairs else None
            known_numbers = agreement(pairs) if pairs else {}
            numbers.append(NumberView(name, len(pairs), len(predictions), known_numbers, ends, drawn))
        elif all(_is_set(predicted) for predicted, _ in mine):
            known = [(predicted["labels"], true) for predicted, true in mine if isinstance(true, list | tuple)]
            labels = dict.fromkeys(label for predicted, _ in mine for label in predicted["probabilities"])
            scores = set_numbers(known, list(labels)) if known else {}
            sets.append(SetView(name, len(known), len(predictions), scores))
    return ValuesView(split, numbers, sets)


def _scatter(name: str, pairs: Sequence[tuple[float, float]]) -> Chart:
    """What was predicted over what is true. Of very many, evenly spaced ones are drawn."""
    step = max(1, -(-len(pairs) // _MOST_POINTS))
    points = [(true, predicted) for predicted, true in pairs[::step]]
    ends = [min(map(min, pairs)), max(map(max, pairs))]
    even = Series("as predicted", [(end, end) for end in ends], faint=True)
    return chart(f"{name}, predicted", [even, Series(name, points, dots=True, joined=False)], across=f"{name}, true")
