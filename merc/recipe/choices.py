"""The numbers of an evaluation that a state, or a setting, may be chosen by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from merc.components import Metric
from merc.errors import MercError, did_you_mean
from merc.recipe.metric_names import CLASSIFICATION
from merc.registry.isolation import described, isolated


@dataclass(frozen=True)
class Choices:
    """The numbers by their names in metrics.json, and how those begin that a metric does not list beforehand."""

    known: tuple[str, ...]
    open_ended: tuple[str, ...]

    def has(self, number: str) -> bool:
        """Whether an evaluation may have this number to choose by."""
        return number in self.known or number.startswith(self.open_ended)

    def unknown(self, number: str) -> str:
        """A sentence about a number that there is not, which names those that there are.

        >>> Choices(("accuracy",), ("mine.",)).unknown("acuracy")
        "no number 'acuracy' to choose by. Did you mean 'accuracy'? There are: accuracy; and the numbers of mine.*"
        """
        several = f"; and the numbers of {', '.join(f'{name}*' for name in self.open_ended)}" if self.open_ended else ""
        return (
            f"no number {number!r} to choose by.{did_you_mean(number, self.known)} "
            f"There are: {', '.join(self.known) or 'none'}{several}"
        )


def choices_of(metrics: Mapping[str, Metric]) -> Choices:
    """What the metrics of an evaluation, by their names in it, say of their numbers. Raises MercError for one that
    cannot say it."""
    known: list[str] = []
    open_ended = []
    for name, metric in metrics.items():
        try:
            choices = isolated(metric.choices)
            choices = choices if choices is None else list(choices)
        except Exception as error:
            raise MercError(f"metric {name!r} cannot say what a state may be chosen by: {described(error)}") from None
        before = "" if name in CLASSIFICATION else f"{name}."
        if choices is None:
            open_ended.append(before)
        known += [before + choice for choice in choices or ()]
    return Choices(tuple(known), tuple(open_ended))
