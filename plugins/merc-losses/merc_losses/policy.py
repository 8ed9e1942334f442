"""Losses of answers that a trainer let the model write: what ``grpo`` makes smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import merc

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class ClippedPolicy(merc.Loss):
    """-min(ρ A, clip(ρ, 1 - ε, 1 + ε) A), the mean over an answer's tokens and then over a prompt's answers (Schulman
    et al., 2017; Shao et al., 2024). A is the weight that an answer has, and ρ a token's probability over that with
    which it was drawn (the number ``drawn`` of an answer)."""

    needs = frozenset({"token_log_probs"})
    answers = "own"
    clip: float = 0.2
    """ε: how far a token's ratio may be from 1 before it stops counting."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.clip < 1:
            raise ValueError(f"clip is between 0 and 1, not {self.clip:g}")

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.policy_functions import ClippedPolicyFunction

        return ClippedPolicyFunction(self.clip)


@dataclass(frozen=True, kw_only=True)
class ReferenceKL(merc.Loss):
    """How far the model has gone from what it was before the stage: of each token that it wrote π_ref / π - log(π_ref /
    π) - 1, an estimate of KL(π ‖ π_ref) that is never below 0 (Schulman, 2020), the mean over an answer's tokens and
    then over a prompt's answers."""

    needs = frozenset({"token_log_probs", "reference_token_log_probs"})
    answers = "own"

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.policy_functions import ReferenceKLFunction

        return ReferenceKLFunction()
