"""Example, a head: replace what it gives with yours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Head):
    """A grade from 0 to ``most``, such as how strong an emotion is: the value ``field`` of an utterance. Each output is
    how likely the grade is above 0, above 1 and so on (Frank and Hall, 2001), and their sum is the grade."""

    gives: ClassVar[frozenset[str]] = frozenset({"numbers"})
    field: str = "intensity"
    most: int = 3

    def fields(self) -> Sequence[str]:
        """``field``."""
        return (self.field,)

    def build(self, width: int) -> Any:
        """One layer and the logistic function: a probability a step."""
        import torch

        return torch.nn.Sequential(torch.nn.Linear(width, self.most), torch.nn.Sigmoid())

    def target(self, utterance: merc.Utterance) -> Sequence[float | None]:
        """1 for each step that the grade is above, else 0."""
        grade = utterance.true(self.field)
        if grade is None:
            return [None] * self.most
        if not 0 <= grade <= self.most:
            raise ValueError(f"{self.field} is {grade}; a grade is from 0 to {self.most}")
        return [float(grade > step) for step in range(self.most)]

    def losses(self, outputs: Any, targets: merc.Targets) -> Any:
        """The binary cross-entropy of each step."""
        import torch

        return torch.nn.functional.binary_cross_entropy(outputs, targets.values, reduction="none")

    def values(self, outputs: Sequence[float]) -> Mapping[str, Any]:
        """The grade that is to be expected."""
        return {self.field: sum(outputs)}
