"""Preference, a loss: the right answer is to gain more than rejected ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import merc


@dataclass(frozen=True, kw_only=True)
class Preference(merc.Loss):
    """Direct preference optimization (Rafailov et al., 2023): -log σ(``beta`` · (gain of the right answer - gain of a
    rejected one)), the mean over a prompt's rejected answers. A gain is the log-probability over that of the model as
    it was before the stage. A prompt without rejected answers counts nothing."""

    needs = frozenset({"path_log_probs", "reference_path_log_probs"})
    answers = "pairs"
    beta: float = 0.1

    def build(self, context: merc.LossContext) -> Any:
        """The loss as a module."""
        import torch

        beta = self.beta

        class Function(torch.nn.Module):
            def pairs(self, batch: merc.Batch) -> torch.Tensor:
                return torch.bincount(batch.path_prompt[batch.path_rejected], minlength=len(batch.queries))

            def counts(self, batch: merc.Batch) -> torch.Tensor:
                return (self.pairs(batch) > 0).float()

            def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> torch.Tensor:
                assert outputs.path_log_probs is not None and outputs.reference_path_log_probs is not None
                gains = outputs.path_log_probs - outputs.reference_path_log_probs
                right, prompt = batch.at_right_answer(gains), batch.path_prompt[batch.path_rejected]
                each = -torch.nn.functional.logsigmoid(beta * (right[prompt] - gains[batch.path_rejected]))
                return torch.zeros_like(right).index_add(0, prompt, each) / self.pairs(batch).clamp(min=1)

        return Function()
