"""The trainer ``sft``: supervised fine-tuning on the answers of prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merc.builtin.losses import TokenNLL
from merc.components import Loss, TrainContext, Trainer, TrainReport
from merc.training.settings import Settings


@dataclass(frozen=True, kw_only=True)
class SupervisedFineTuning(Settings, Trainer):
    """Supervised fine-tuning with AdamW, which makes the weighted sum of the losses smaller.

    >>> SupervisedFineTuning(losses=(TokenNLL(weight=0.0),))
    Traceback (most recent call last):
    ValueError: losses: all weights are 0, so nothing is learned; give one of them a weight above 0
    """

    losses: tuple[Loss, ...] = (TokenNLL(),)
    """The losses, each with its own ``weight``; their weighted sum is made smaller. One weight at least is above 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.losses:
            raise ValueError("losses names none; leave it out for token-nll")
        if not any(loss.weight for loss in self.losses):
            raise ValueError("losses: all weights are 0, so nothing is learned; give one of them a weight above 0")

    def teaches_writing(self) -> bool:
        """Whether some loss learns the words of answers, and not the choice among labels alone."""
        return any(loss.answers not in ("labels", "none") and loss.weight and loss.needs for loss in self.losses)

    def heads(self) -> Sequence[str]:
        """Those that a loss with a weight above 0 names."""
        return tuple(dict.fromkeys(name for loss in self.losses if loss.weight for name in loss.heads()))

    def learns_answers(self) -> bool:
        """Whether some loss computes answers."""
        return any(loss.answers != "none" for loss in self.losses)

    def check(self, context: TrainContext) -> None:
        """Raise MercError for what ``train`` would stop at before its first step."""
        from merc.training import check_fit

        check_fit(context, self, self.losses)

    def train(self, context: TrainContext) -> TrainReport:
        """Train to the end, or from the last checkpoint on."""
        from merc.training import fit

        return fit(context, self, self.losses)
