"""The working part of the losses of preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import merc
from merc_losses.label_functions import spread

if TYPE_CHECKING:
    from merc_losses.preference import DPO


class DPOFunction(nn.Module):
    """Right answers against rejected ones, each measured against the reference where there is one."""

    def __init__(self, loss: DPO) -> None:
        super().__init__()
        self.loss = loss

    def counts(self, batch: merc.Batch) -> Tensor:
        """1 for a prompt that has rejected answers, else 0 ``[prompts]``."""
        return (self.rejected(batch) > 0).float()

    def rejected(self, batch: merc.Batch) -> Tensor:
        """How many rejected answers each prompt has ``[prompts]``."""
        return torch.bincount(batch.path_prompt[batch.path_rejected], minlength=len(batch.queries))

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.path_log_probs is not None
        gains = outputs.path_log_probs
        if self.loss.reference:
            assert outputs.reference_path_log_probs is not None
            gains = gains - outputs.reference_path_log_probs
        if self.loss.normalize == "tokens":
            gains = gains / batch.path_length
        right, prompt = batch.at_right_answer(gains), batch.path_prompt[batch.path_rejected]
        logits = self.loss.beta * (right[prompt] - gains[batch.path_rejected]) - self.loss.margin
        losses = -nn.functional.logsigmoid(logits) / self.rejected(batch)[prompt]
        return spread(batch, losses, prompt, outputs.path_log_probs)
