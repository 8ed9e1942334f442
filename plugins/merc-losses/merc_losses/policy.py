"""Losses of answers that a trainer let the model write: what ``grpo`` makes smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import merc

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class _OfAnswers(merc.Loss):
    answers = "own"
    average: Literal["answers", "tokens", "limit"] = "answers"
    """``answers``: the mean over an answer's tokens, then over a prompt's answers. ``tokens``: the mean over all tokens
    of a step. ``limit``: the sum over an answer's tokens divided by ``limit``, then the mean over a prompt's answers
    (Dr. GRPO)."""
    limit: int | None = None
    """The most tokens of an answer, for ``average: limit``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.average == "limit" and self.limit is None:
            raise ValueError("average: limit divides by 'limit', the most tokens of an answer; give it")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit counts tokens from 1, not {self.limit}")


@dataclass(frozen=True, kw_only=True)
class ClippedPolicy(_OfAnswers):
    """-min(ρ A, clip(ρ, 1 - ε, 1 + ε) A) of each token (Schulman et al., 2017; Shao et al., 2024). A is the weight that
    an answer has, and ρ a token's probability over that with which it was drawn (the number ``drawn`` of an answer).
    The log has the mean ``ratio`` and the shares of tokens that are ``clipped_low`` (A below 0) and ``clipped_high``:
    those have no gradient."""

    needs = frozenset({"token_log_probs"})
    clip: float = 0.2
    """ε: how far a token's ratio may be from 1 before it stops counting."""
    clip_high: float | None = None
    """The same for ratios above 1; ``null`` is ``clip``. DAPO has it higher, so that unlikely tokens may become
    likelier."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.clip < 1:
            raise ValueError(f"clip is between 0 and 1, not {self.clip:g}")
        if self.clip_high is not None and not 0 < self.clip_high < float("inf"):
            raise ValueError(f"clip_high is above 0, not {self.clip_high:g}")

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.policy_functions import ClippedPolicyFunction

        return ClippedPolicyFunction(self)


@dataclass(frozen=True, kw_only=True)
class ReferenceKL(_OfAnswers):
    """How far the model has gone from what it was before the stage: an estimate of KL(π ‖ π_ref) at each token that it
    wrote (Schulman, 2020), with r = π_ref / π. The log has ``kl``, the mean of k3 over tokens, whatever is learned."""

    needs = frozenset({"token_log_probs", "reference_token_log_probs"})
    estimator: Literal["k3", "k2"] = "k3"
    """``k3`` is r - log r - 1, never below 0; ``k2`` is (log r)² / 2, whose gradient is that of the KL itself while
    answers are drawn from π. There is no ``k1``, -log r: the mean of its gradient is 0."""

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.policy_functions import ReferenceKLFunction

        return ReferenceKLFunction(self)
