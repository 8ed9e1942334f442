"""How the learning rate runs over the steps of a stage."""

from __future__ import annotations

import math

from merc.training.settings import Settings


def lr_scale(step: int, total: int, settings: Settings) -> float:
    """What the learning rate is multiplied by at a step (from 0): linear warmup, then the schedule down to 0.

    >>> s = Settings(schedule="linear", warmup_steps=2)
    >>> [round(lr_scale(i, 6, s), 2) for i in range(6)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    share = (step - settings.warmup_steps) / max(1, total - settings.warmup_steps)
    if settings.schedule == "constant":
        return 1.0
    return max(0.0, 1 - share) if settings.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * share))
