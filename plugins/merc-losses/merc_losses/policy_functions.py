"""The working parts of the losses of written answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import merc


def mean_of_answers(batch: merc.Batch, steps: Tensor) -> Tensor:
    """Values of tokens ``[steps]`` as the mean over each own answer's tokens, then over a prompt's own answers
    ``[prompts]``; 0 for a prompt without any."""
    own = batch.path_own
    of_paths = steps.new_zeros(len(own)).index_add(0, batch.step_path, steps) / batch.path_length
    prompts = batch.path_prompt[own]
    count = torch.bincount(prompts, minlength=len(batch.queries)).clamp(min=1)
    return steps.new_zeros(len(batch.queries)).index_add(0, prompts, of_paths[own]) / count


class ClippedPolicyFunction(nn.Module):
    """The clipped policy gradient."""

    def __init__(self, clip: float) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.token_log_probs is not None
        own = batch.path_own[batch.step_path]
        drawn = torch.where(own, batch.step_numbers("drawn"), 0.0)
        ratio = torch.where(own, outputs.token_log_probs - drawn, 0.0).exp()
        advantage = batch.path_weight[batch.step_path]
        clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
        return mean_of_answers(batch, -torch.minimum(ratio * advantage, clipped * advantage))


class ReferenceKLFunction(nn.Module):
    """The distance from the reference."""

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.token_log_probs is not None and outputs.reference_token_log_probs is not None
        gap = outputs.reference_token_log_probs - outputs.token_log_probs
        return mean_of_answers(batch, gap.exp() - gap - 1)
