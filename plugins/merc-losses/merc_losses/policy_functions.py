"""The working parts of the losses of written answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import merc

if TYPE_CHECKING:
    from merc_losses.policy import ClippedPolicy, ReferenceKL, _OfAnswers


class _Function(nn.Module):
    """Values of tokens, averaged as the loss says, and what they measured."""

    def __init__(self, loss: _OfAnswers) -> None:
        super().__init__()
        self.average, self.limit = loss.average, loss.limit
        self.measured: dict[str, tuple[float, float]] = {}

    def counts(self, batch: merc.Batch) -> Tensor:
        """What the sum over a step is divided by ``[prompts]``: its own answers' tokens where those are counted, else
        its prompts."""
        if self.average != "tokens":
            return torch.ones(len(batch.queries))
        own = batch.path_own
        return torch.bincount(
            batch.path_prompt[own], weights=batch.path_length[own].float(), minlength=len(batch.queries)
        )

    def measures(self) -> Mapping[str, tuple[float, float]]:
        """Sums over the tokens of the last pass, and their number."""
        return self.measured

    def averaged(self, batch: merc.Batch, steps: Tensor) -> Tensor:
        """Values of tokens ``[steps]`` as ``[prompts]``; 0 for a prompt without own answers."""
        own = batch.path_own
        of_paths = steps.new_zeros(len(own)).index_add(0, batch.step_path, steps)
        if self.average == "answers":
            of_paths = of_paths / batch.path_length
        elif self.average == "limit":
            of_paths = of_paths / (self.limit or 1)
        prompts = batch.path_prompt[own]
        sums = steps.new_zeros(len(batch.queries)).index_add(0, prompts, of_paths[own])
        if self.average == "tokens":
            return sums
        return sums / torch.bincount(prompts, minlength=len(batch.queries)).clamp(min=1)

    def measure(self, own: Tensor, **values: Tensor) -> None:
        """Keep the sums of values ``[steps]`` over own answers' tokens."""
        count = float(own.sum())
        self.measured = {name: (float(value.detach()[own].sum()), count) for name, value in values.items()}


class ClippedPolicyFunction(_Function):
    """The clipped policy gradient."""

    def __init__(self, loss: ClippedPolicy) -> None:
        super().__init__(loss)
        self.low, self.high = loss.clip, loss.clip if loss.clip_high is None else loss.clip_high

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.token_log_probs is not None
        own = batch.path_own[batch.step_path]
        drawn = torch.where(own, batch.step_numbers("drawn"), 0.0)
        ratio = torch.where(own, outputs.token_log_probs - drawn, 0.0).exp()
        advantage = batch.path_weight[batch.step_path]
        clipped = ratio.clamp(1 - self.low, 1 + self.high)
        self.measure(
            own,
            ratio=ratio,
            clipped_low=(ratio < 1 - self.low) & (advantage < 0),
            clipped_high=(ratio > 1 + self.high) & (advantage > 0),
        )
        return self.averaged(batch, -torch.minimum(ratio * advantage, clipped * advantage))


class ReferenceKLFunction(_Function):
    """The distance from the reference."""

    def __init__(self, loss: ReferenceKL) -> None:
        super().__init__(loss)
        self.estimator = loss.estimator

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.token_log_probs is not None and outputs.reference_token_log_probs is not None
        gap = outputs.reference_token_log_probs - outputs.token_log_probs
        k3 = gap.exp() - gap - 1
        self.measure(batch.path_own[batch.step_path], kl=k3)
        return self.averaged(batch, k3 if self.estimator == "k3" else gap.square() / 2)
