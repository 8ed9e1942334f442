"""Losses that merc brings: of the right answer's tokens, and of the right label among all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from merc.components import Loss, LossContext

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class _Weighted(Loss):
    """What both losses may be told of how answers count.

    ``average: utterances`` counts every answer alike, ``tokens`` every token of the right answer. ``class_weights:
    balanced`` weighs an answer by the inverse of its label's frequency in the train split.
    """

    average: Literal["utterances", "tokens"] = "utterances"
    class_weights: Literal["none", "balanced"] = "none"


@dataclass(frozen=True, kw_only=True)
class TokenNLL(_Weighted):
    """The negative log-likelihood of the right answer's tokens, summed over the answer, each predicted after the right
    ones before it."""

    answers = "gold"

    def build(self, context: LossContext) -> nn.Module:
        """The loss as a module."""
        from merc.training.losses import TokenNLLFunction

        return TokenNLLFunction(context, self.average, self.class_weights)


@dataclass(frozen=True, kw_only=True)
class LabelCE(_Weighted):
    """The cross-entropy of the right label among all labels of its prompt, each scored as it is when predicting. An
    answer that is a text of its own has no labels to compare: its tokens' negative log-likelihood stands in place."""

    answers = "labels"

    def build(self, context: LossContext) -> nn.Module:
        """The loss as a module."""
        from merc.training.losses import LabelCEFunction

        return LabelCEFunction(context, self.average, self.class_weights)
