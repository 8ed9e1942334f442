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


def warmup_note(total: int, settings: Settings) -> str:
    """A sentence where a stage ends before its warm-up does; empty elsewhere.

    >>> warmup_note(100, Settings(warmup_steps=500))
    'warmup_steps is 500 and the stage has 100 steps, so the learning rate never reaches lr; lower warmup_steps'
    >>> warmup_note(500, Settings(warmup_steps=500))
    ''
    """
    warmup = settings.warmup_steps
    if warmup <= total:
        return ""
    steps = "1 step" if total == 1 else f"{total} steps"
    return (
        f"warmup_steps is {warmup} and the stage has {steps}, so the learning rate never reaches lr; lower warmup_steps"
    )
