"""Example, a loss: replace the formula with yours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Loss):
    """The focal loss: -(1 - p)^``gamma`` · log p of the right label's probability p, so that what the model knows well
    counts less. ``weight`` is its share among several losses."""

    answers = "labels"
    gamma: float = 2.0

    def build(self, context: merc.LossContext) -> Any:
        """The loss as a module."""
        import torch

        gamma = self.gamma

        class Function(torch.nn.Module):
            def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> torch.Tensor:
                assert outputs.path_log_probs is not None
                scores = batch.label_scores(outputs.path_log_probs).log_softmax(-1)
                right = scores.gather(1, batch.truth[:, None])[:, 0]
                return -((1 - right.exp()) ** gamma) * right

        return Function()
