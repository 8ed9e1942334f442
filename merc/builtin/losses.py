"""Losses that merc brings: of the right answer's tokens, of the right label among all, and of a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from merc.components import Loss, LossContext

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class _Weighted(Loss):
    """A negative log-likelihood whose answers count by these two parameters."""

    average: Literal["utterances", "tokens"] = "utterances"
    """What counts alike: every utterance, or every token of the right answers."""
    class_weights: Literal["none", "balanced"] = "none"
    """``balanced`` weighs an answer by the inverse of its label's frequency in the train split; ``none`` weighs all
    alike."""


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


@dataclass(frozen=True, kw_only=True)
class HeadLoss(Loss):
    """The loss of a head's outputs, as the head says: of ``regression`` the squared error, of ``multi-label`` the
    binary cross-entropy. Of a prompt it is the mean over what the corpus knows of the utterance; one of which it knows
    nothing does not count."""

    needs = frozenset()
    answers = "none"
    head: str
    """The name of the head in the recipe."""

    def heads(self) -> Sequence[str]:
        """``head``."""
        return (self.head,)

    def build(self, context: LossContext) -> nn.Module:
        """The loss as a module."""
        from merc.training.losses import HeadFunction

        return HeadFunction(context.heads[self.head], self.head)
