"""The contract of metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from merc.components import Metric, Prediction
from merc.conversation import LabelSpace
from merc.testing import samples
from merc.testing.contract import ComponentContract, require


class MetricContract(ComponentContract):
    """What a metric must keep."""

    kind = "metric"
    component: ClassVar[Metric]
    labels: ClassVar[LabelSpace] = samples.LABELS
    """The label space of ``predictions``."""

    def predictions(self) -> Sequence[Prediction]:
        """Predictions with a truth each; some are wrong, one could not be parsed, some have no probabilities. Each also
        has ``open_labels`` and a ``valence``; a metric whose ``truths`` are others gives its own predictions here."""
        return samples.predictions(self.labels)

    def _compute(self, predictions: Sequence[Prediction]) -> dict[str, Any]:
        numbers = self.component.compute(predictions, self.labels)
        require(isinstance(numbers, dict), f"compute() gives {type(numbers).__name__}; it must give a dict of numbers")
        return numbers

    def test_numbers_can_be_written_as_json(self) -> None:
        """Names to finite numbers, or lists and mappings of these: what metrics.json holds."""
        numbers = self._compute(self.predictions())
        require(numbers, f"{self.title} gives no number")
        try:
            json.dumps(numbers, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AssertionError(f"metrics.json cannot hold {numbers!r}: {error}; give plain finite numbers") from error

    def test_truths_are_names_of_what_the_predictions_have(self) -> None:
        """One name at least, but of a metric of heads' values (``needs``), the same each time; and every prediction of
        this check has what they name."""
        names = self.component.truths()
        require(
            (names or self.component.needs())
            and not isinstance(names, str)
            and all(isinstance(name, str) and name for name in names),
            f"truths() gives {names!r}; it must give one name at least",
        )
        require(list(self.component.truths()) == list(names), f"truths() gives {names!r} one time, other names another")
        lacking = [(p.id, name) for p in self.predictions() for name in names if p.true(name) is None]
        require(not lacking, f"predictions() of this check lack what truths() names: {lacking[:3]}")

    def test_one_prediction_is_enough(self) -> None:
        """A single prediction, an unparsed one and a label that never occurs raise nothing and give no NaN."""
        every = list(self.predictions())
        for few in ([every[0]], [p for p in every if p.label is None][:1] or [every[-1]]):
            numbers = self._compute(few)
            for name, value in numbers.items():
                require(
                    not isinstance(value, float) or math.isfinite(value),
                    f"{name} is {value} for the one prediction {few[0]}",
                )

    def test_order_of_predictions_does_not_matter(self) -> None:
        """Turned round, the predictions give the same numbers."""
        every = list(self.predictions())
        one, two = self._compute(every), self._compute(every[::-1])
        require(_near(one, two), f"in another order {self.title} gives {two!r} and not {one!r}")

    def test_predictions_are_left_as_they_are(self) -> None:
        """Other metrics see the same predictions."""
        every = list(self.predictions())
        originals = [asdict(p) for p in every]
        self._compute(every)
        require([asdict(p) for p in every] == originals, f"{self.title} changed the predictions that it was given")


def _near(one: Any, two: Any) -> bool:
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_near(one[key], two[key]) for key in one)
    if isinstance(one, float) and isinstance(two, float):
        return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == two)
