"""Losses of a head's numbers, such as valence and arousal, in place of the head's own.

All are means over the utterances of which the corpus knows a number; those of which it knows none do not count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import merc

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class _OfNumbers(merc.Loss):
    """A loss of a head that gives numbers."""

    needs = frozenset()
    answers = "none"
    head: str
    """The name of the recipe's head whose numbers are compared with the true ones."""

    def heads(self) -> Sequence[str]:
        """``head``."""
        return (self.head,)


@dataclass(frozen=True, kw_only=True)
class MSE(_OfNumbers):
    """(x - y)² of a number x and the true y, in their own units (the task's part of the survey's equation 28 for
    continuous affect). ``head`` gives x. Of an utterance it is the mean over what is known."""

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.number_functions import NumberFunction, squared_errors

        return NumberFunction(context, self.head, squared_errors)


@dataclass(frozen=True, kw_only=True)
class CCC(_OfNumbers):
    """1 - ρ_c, ρ_c = 2 cov(x, y) / (var x + var y + (mean x - mean y)²) being the concordance correlation coefficient
    (Lin, 1989) of the numbers x that ``head`` gives and the true y, for each of its outputs apart. It is no mean over
    utterances: it is computed over those of a pass, and a step with several passes weighs these by their utterances, so
    raise ``trainer.batch_tokens`` to have many in one. An utterance that is alone in its pass counts nothing."""

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.number_functions import NumberFunction, disagreement

        return NumberFunction(context, self.head, disagreement, least=2)


@dataclass(frozen=True, kw_only=True)
class Ordinal(_OfNumbers):
    """Numbers as grades in order: Σ_k of the binary cross-entropy between σ((x - c_k) / s) and whether y > c_k, where
    the cuts c_k lie in the middle between neighbouring levels (cumulative logits: McCullagh, 1980; as a sum of binary
    tasks: Niu et al., 2016). x is the number that the head gives and y the true one; s is ``scale``."""

    levels: tuple[float, ...]
    """The grades, rising, in the units of the head's number."""
    scale: float = 0.25
    """How soft the steps between grades are, in the same units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.levels) < 2 or any(a >= b for a, b in zip(self.levels, self.levels[1:], strict=False)):
            raise ValueError(f"levels are two numbers or more that rise, not {list(self.levels)}")
        if not 0 < self.scale < float("inf"):
            raise ValueError(f"scale is above 0, not {self.scale:g}")

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.number_functions import NumberFunction, over_cuts

        return NumberFunction(context, self.head, over_cuts(self.levels, self.scale))
