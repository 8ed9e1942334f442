"""Example, a trainer: say what an epoch learns from, and leave the rest to ``merc.training.fit``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.training.Settings, merc.Trainer):
    """A curriculum: the first epoch learns from the shortest ``share`` of the conversations, every later one from all.

    ``losses`` are made smaller; with none it is ``token-nll``. The other parameters are those of ``sft``: ``epochs``,
    ``lr``, ``batch_conversations``, ``precision``, ``select_by``, ``patience`` and so on.
    """

    share: float = 0.5
    losses: tuple[merc.Loss, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise ValueError(f"share is above 0 and at most 1, not {self.share:g}")

    def train(self, context: merc.TrainContext) -> merc.TrainReport:
        """Train in place."""

        def examples(epoch: int) -> Sequence[Sequence[merc.Example]]:
            groups = context.examples(epoch)
            if epoch > 0:
                return groups
            shortest = sorted(groups, key=len)
            return shortest[: max(1, round(self.share * len(groups)))]

        return merc.training.fit(replace(context, examples=examples), self, self.losses)
