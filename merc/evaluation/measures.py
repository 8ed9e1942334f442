"""The numbers that runs are compared by: any number of any metric, worked out anew from predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from merc.components import Metric, Prediction
from merc.conversation import LabelSpace
from merc.errors import MercError, did_you_mean
from merc.evaluation.intervals import label_statistics
from merc.evaluation.metrics import read_metrics
from merc.evaluation.significance import Statistic, Values, Weights
from merc.recipe import ComponentRef, load_recipe
from merc.recipe.metric_names import CLASSIFICATION
from merc.registry import get_registry

TITLES = {
    "accuracy": "Accuracy",
    "weighted_f1": "Weighted F1",
    "macro_f1": "Macro F1",
    "uar": "UAR",
    "unparsed_rate": "Unparsed",
}
"""The numbers of a classification that are in the table of every comparison, and what they are called there."""

FEWER_DRAWS = 1000
"""Draws of a number that is not counted but computed anew each time."""

_LAST = ("last-utterance", "merc/last-utterance")


@dataclass(frozen=True)
class Measure:
    """A number of a metric. ``name`` is what a user calls it: ``weighted_f1``, ``last-utterance.weighted_f1``."""

    name: str
    metric: str
    part: ComponentRef
    number: str

    @property
    def component(self) -> Metric:
        """The metric."""
        assert isinstance(self.part.component, Metric)
        return self.part.component

    @property
    def title(self) -> str:
        """What tables call it."""
        if self.metric in CLASSIFICATION:
            return TITLES.get(self.number, self.number)
        return f"{self.metric}: {TITLES.get(self.number, self.number)}"

    @property
    def of_labels(self) -> bool:
        """Whether it is a number of the labels that were right, of all utterances or of the last ones."""
        return self.part.name in (*CLASSIFICATION, *_LAST) and self.number in TITLES

    @property
    def label(self) -> str | None:
        """The one label whose precision, recall or F1 it is."""
        parts = self.number.split(".")
        of_one = self.part.name in CLASSIFICATION and parts[0] == "per_class" and parts[-1] != "support"
        return ".".join(parts[1:-1]) if of_one else None

    @property
    def better(self) -> int:
        """1 where higher is better, -1 where lower is, 0 where that is not known."""
        if self.number == "unparsed_rate" and self.of_labels:
            return -1
        return int(self.label is not None or self.number in (self.component.choices() or ()))

    @property
    def in_percent(self) -> bool:
        """Whether it is a share, from 0 to 1."""
        return self.of_labels or self.better == 1

    def counts(self, prediction: Prediction) -> bool:
        """Whether a prediction has what the number is of."""
        has = all(prediction.true(name) is not None for name in self.component.truths())
        if not self.of_labels:
            return has
        return has and prediction.truth is not None and (self.part.name not in _LAST or bool(prediction.true("last")))

    def value(self, predictions: Sequence[Prediction], labels: LabelSpace) -> float | None:
        """The number for predictions that all count; None where the metric does not give it for them."""
        value: Any = self.component.compute(predictions, labels) if predictions else None
        for key in self.number.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def kept(self, run: Path, split: str) -> float:
        """The number that metrics.json of a run has. Raises MercError where it has none."""
        value: Any = read_metrics(run / "metrics.json").get(split, {})
        for key in (*([] if self.metric in CLASSIFICATION else [self.metric]), *self.number.split(".")):
            value = value.get(key) if isinstance(value, Mapping) else None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise MercError(f"{run / 'metrics.json'} has no number {self.name!r} for the {split} split")
        return float(value)

    def statistic(self, predictions: Sequence[Prediction], labels: LabelSpace) -> Statistic:
        """The number as a function of how often each conversation is drawn; conversations in their order."""
        if self.of_labels:
            return label_statistics((self.number,), predictions, labels)[self.number]
        groups: dict[str, list[Prediction]] = {}
        for p in predictions:
            groups.setdefault(p.conversation, []).append(p)
        talks = list(groups.values())

        def recomputed(weights: Weights) -> Values:
            values = []
            for row in weights.astype(int).tolist():
                drawn = [
                    # A second copy has an id of its own, since a metric may keep what it finds by id.
                    replace(p, id=f"{p.id}#{copy}", conversation=f"{p.conversation}#{copy}") if copy else p
                    for talk, times in zip(talks, row, strict=True)
                    for copy in range(times)
                    for p in talk
                ]
                borne = self.label is None or any(p.truth == self.label for p in drawn)
                value = self.value(drawn, labels) if borne else None
                values.append(np.nan if value is None else value)
            return np.array(values)

        return recomputed


def find_measure(name: str, runs: Sequence[Path]) -> Measure:
    """The number that a user names, with the metric as the runs' recipes have it, else as it is by default.

    Raises MercError for a metric that there is not, and for runs that have it with different parameters.
    """
    if name in TITLES or name.startswith("per_class."):
        return Measure(name, "classification", _registered("classification", name), name)
    metric, _, number = name.partition(".")
    metrics_of: dict[Path, ComponentRef] = {}
    others: dict[str, None] = {}
    for run in runs:
        if (run / "recipe.yaml").is_file():
            recipe = load_recipe(str(run / "recipe.yaml"), use="evaluate")
            metrics = recipe.evaluate.metrics if recipe.evaluate is not None else {}
            others |= dict.fromkeys(metrics)
            if metric in metrics:
                metrics_of[run] = metrics[metric]
    first = next(iter(metrics_of.items()), None)
    for run, part in metrics_of.items():
        assert first is not None
        if part.component != first[1].component:
            raise MercError(
                f"--metric {name}: {first[0]} and {run} have the metric {metric!r} with different parameters, so its "
                "numbers do not compare"
            )
    part = first[1] if first is not None else _registered(metric, name, tuple(others))
    if not number:
        known = part.component.choices()  # type: ignore[attr-defined]
        listed = ", ".join(f"{metric}.{one}" for one in known or ()) or f"{metric}.NUMBER, as metrics.json has them"
        raise MercError(f"--metric {name} names a metric; name one of its numbers: {listed}")
    return Measure(name, metric, part, number)


def _registered(metric: str, name: str, others: Sequence[str] = ()) -> ComponentRef:
    registry = get_registry()
    known = list(dict.fromkeys([*TITLES, *others, *registry.names("metric")]))
    try:
        component = registry.resolve("metric", metric)()
    except (MercError, TypeError) as error:
        if metric in registry.names("metric"):
            why = f"no run has it in its recipe, and without parameters it cannot be made ({error})"
        else:
            why = f"there is no metric {metric!r}.{did_you_mean(metric, known)} Known are: {', '.join(known)}"
        raise MercError(f"--metric {name}: {why}") from None
    return ComponentRef(name=metric, params={}, component=component)
