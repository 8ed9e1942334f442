"""Averages of states: a moving one over the steps of a stage, and the mean of a few that were judged on dev."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from merc.errors import MercError
from merc.training.strategy import Strategy, TorchStrategy

FILE = "average.safetensors"
"""What a checkpoint calls the moving average."""


class MovingAverage:
    """The exponential moving average of what learns: after step t it moves by 1 - d towards the weights, where d is
    ``decay``, or (1 + t) / (10 + t) where that is less, so that the weights of the beginning are soon forgotten.

    Raises MercError for a strategy that shares weights out: the average is taken after each step, in one process.
    """

    def __init__(
        self, model: nn.Module, learning: Mapping[str, nn.Parameter], decay: float, strategy: Strategy
    ) -> None:
        if not isinstance(strategy, TorchStrategy):
            raise MercError(
                "trainer.ema_decay is of one process, which has all weights after each step; set "
                "strategy.name=torch, or average the best states by trainer.soup, which DeepSpeed does too"
            )
        self.decay = decay
        self._learning = {name: parameter for name, parameter in learning.items() if parameter.requires_grad}
        self._average = {name: parameter.detach().clone() for name, parameter in self._learning.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move after step ``step``, from 1."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        for name, parameter in self._learning.items():
            self._average[name].lerp_(parameter.detach(), share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While it lasts, the model has the averaged weights; then, to the bit, those that it had."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def adopt(self) -> None:
        """Leave the averaged weights in the model."""
        self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self._learning.items():
            own = parameter.detach().clone()
            parameter.copy_(self._average[name])
            self._average[name] = own

    def save(self, folder: Path) -> None:
        """Write the average beside a checkpoint's other files."""
        save_file({name: value.cpu().contiguous() for name, value in self._average.items()}, folder / FILE)

    def load(self, folder: Path) -> None:
        """Go on from what ``save`` wrote. Raises KeyError or OSError where it does not fit."""
        held = load_file(folder / FILE)
        for name, average in self._average.items():
            average.copy_(held[name])


def mean_of(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of states of one model, in float64; what is no number with a fraction is that of the first.

    >>> mean_of([{"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([2.0, 4.0])}])
    {'w': tensor([1.5000, 3.0000])}
    """
    first = states[0]
    mean: dict[str, Tensor] = {}
    for name, value in first.items():
        if value.is_floating_point():
            total = torch.stack([state[name].double() for state in states]).mean(0)
            mean[name] = total.to(value.dtype).contiguous()
        else:
            mean[name] = value
    return mean
