"""Example, a metric: replace the number with yours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Metric):
    """How often the truth is among the ``k`` likeliest labels. A prediction without probabilities counts by its label;
    an answer that could not be parsed is wrong."""

    k: int = 2

    def compute(self, predictions: Sequence[merc.Prediction], labels: merc.LabelSpace) -> dict[str, Any]:
        """The share, from 0 to 1."""
        return {f"top_{self.k}_accuracy": sum(self._hit(one) for one in predictions) / len(predictions)}

    def _hit(self, one: merc.Prediction) -> bool:
        if one.probabilities is None:
            return one.label == one.truth
        likeliest = sorted(one.probabilities, key=lambda label: -one.probabilities[label])  # type: ignore[index]
        return one.truth in likeliest[: self.k]
