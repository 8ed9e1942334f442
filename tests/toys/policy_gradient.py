"""PolicyGradient, a loss: answers that examples bring are to become likelier by their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import merc


@dataclass(frozen=True, kw_only=True)
class PolicyGradient(merc.Loss):
    """-weight · log p, summed over the answers of an example: what a trainer let
    the model write, weighed by a reward."""

    answers = "own"

    def build(self, context: merc.LossContext) -> Any:
        """The loss as a module."""
        import torch

        class Function(torch.nn.Module):
            def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> torch.Tensor:
                assert outputs.path_log_probs is not None
                own = batch.path_own
                each = -batch.path_weight[own] * outputs.path_log_probs[own]
                return each.new_zeros(len(batch.queries)).index_add(0, batch.path_prompt[own], each)

        return Function()
