"""The working parts of the losses of numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

import merc

OfNumbers = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Numbers, true numbers and whether these are known, each ``[prompts, outputs]``, in; losses of the same shape out, of
which those that are not known are not looked at."""


class NumberFunction(nn.Module):
    """A loss of a head's outputs: of each prompt the mean over what is known, by ``least`` prompts of its pass.

    Raises MercError for a head that does not give numbers."""

    def __init__(self, context: merc.LossContext, name: str, of_numbers: OfNumbers, least: int = 1) -> None:
        super().__init__()
        self.head, self.name, self.of_numbers, self.least = context.heads[name], name, of_numbers, least
        if "numbers" not in self.head.gives:
            raise merc.MercError(
                f"heads.{name} gives {', '.join(sorted(self.head.gives))}, and the loss compares numbers; take a head "
                "such as {name: regression, outputs: {valence: [-1, 1]}}"
            )

    def counts(self, batch: merc.Batch) -> Tensor:
        """1 for a prompt of which something is known, else 0 ``[prompts]``."""
        return self.targets(batch).known.any(1).float()

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.heads is not None
        values, known = self.targets(batch)
        losses = self.of_numbers(outputs.heads[self.name], values, known)
        return losses.masked_fill(~known, 0.0).sum(1) / known.sum(1).clamp(min=1)

    def targets(self, batch: merc.Batch) -> merc.Targets:
        """What is true, on the batch's device."""
        values, known = self.head.targets(batch.queries)
        known, device = known & (known.sum(0) >= self.least), batch.path_prompt.device
        return merc.Targets(values.to(device), known.to(device))


def squared_errors(x: Tensor, y: Tensor, known: Tensor) -> Tensor:
    """(x - y)²."""
    return (x - y) ** 2


def disagreement(x: Tensor, y: Tensor, known: Tensor) -> Tensor:
    """1 - ρ_c of each output over the prompts of which it is known, at each of these prompts."""
    count = known.sum(0).clamp(min=1)

    def mean(values: Tensor) -> Tensor:
        return values.masked_fill(~known, 0.0).sum(0) / count

    of_x, of_y = mean(x), mean(y)
    shared = mean((x - of_x) * (y - of_y))
    apart = mean((x - of_x) ** 2) + mean((y - of_y) ** 2) + (of_x - of_y) ** 2
    # Where all are one number and right, nothing is left to agree on.
    agreement = torch.where(apart > 0, 2 * shared / apart.clamp(min=1e-12), torch.ones_like(apart))
    return (1 - agreement).expand(x.shape)


def over_cuts(levels: Sequence[float], scale: float) -> OfNumbers:
    """The binary cross-entropies of being above each cut, summed."""
    cuts = [(low + high) / 2 for low, high in itertools.pairwise(levels)]

    def losses(x: Tensor, y: Tensor, known: Tensor) -> Tensor:
        at = x.new_tensor(cuts)
        logits, above = (x[..., None] - at) / scale, (y[..., None] > at).to(x.dtype)
        return nn.functional.binary_cross_entropy_with_logits(logits, above, reduction="none").sum(-1)

    return losses
