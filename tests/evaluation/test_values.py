"""What the report shows of heads' values."""

from __future__ import annotations

from typing import Any

import pytest

from merc.components import Prediction
from merc.evaluation.values import in_words, values_views


def row(number: int, values: dict[str, Any], split: str = "test", **truths: Any) -> Prediction:
    return Prediction(id=f"u{number}", conversation="c", split=split, values=values, truths=truths)


def tags(*labels: str) -> dict[str, Any]:
    return {"labels": list(labels), "probabilities": {"joy": 0.7, "fear": 0.2}}


ROWS = [
    row(0, {"valence": 0.5, "tags": tags("joy")}, valence=1.0, tags=["joy"]),
    row(1, {"valence": 0.0, "tags": tags()}, valence=0.0),
    row(2, {"valence": 0.25, "tags": tags("fear")}),
    row(3, {"valence": 0.25, "tags": tags("fear")}, split="dev"),
    row(4, {}, split="train"),
]


def test_splits_with_values_come_test_first_and_say_of_how_many_they_are() -> None:
    test, dev = values_views(ROWS[::-1])
    assert (test.split, dev.split) == ("test", "dev")
    (valence,), (sets,) = test.numbers, test.sets
    assert (valence.name, valence.n, valence.total, valence.numbers["mae"]) == ("valence", 2, 3, 0.25)
    assert valence.chart is not None and valence.chart.svg.count("<circle") == 2
    assert valence.chart.svg.count("<polyline") == 1  # the line on which all would be true, and none through the dots
    assert (sets.name, sets.n, sets.total, sets.numbers["micro_f1"]) == ("tags", 1, 3, 1.0)
    assert (dev.numbers[0].n, dev.numbers[0].numbers, dev.numbers[0].chart) == (0, {}, None)
    assert (dev.sets[0].n, dev.sets[0].numbers) == (0, {})


def test_predictions_without_values_have_no_section() -> None:
    assert values_views([row(0, {})]) == []


def test_very_many_utterances_are_drawn_in_part() -> None:
    (view,) = values_views([row(i, {"valence": i / 2500}, valence=0.5) for i in range(2500)])
    (valence,) = view.numbers
    assert valence.n == 2500 and valence.chart is not None
    assert valence.chart.svg.count("<circle") == 834


@pytest.mark.parametrize(("prediction", "words"), [
    (ROWS[0], {"valence": "0.5 (true: 1)", "tags": "joy (true: joy)"}),
    (ROWS[2], {"valence": "0.25", "tags": "fear"}),
    (row(0, {"tags": tags()}, tags=[]), {"tags": "none (true: none)"}),
    (row(0, {"mine": {"a": 1}}), {"mine": "{'a': 1}"}),
])  # fmt: skip
def test_values_in_words(prediction: Prediction, words: dict[str, str]) -> None:
    assert in_words(prediction) == words
