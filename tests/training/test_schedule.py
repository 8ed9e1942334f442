"""The learning rate, against the schedulers of transformers and torch."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

from merc.training.schedule import lr_scale
from merc.training.settings import Settings

TOTAL = 23


def _rates(make, *counts):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer, *counts)
    rates = []
    for _ in range(TOTAL):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [("cosine", get_cosine_schedule_with_warmup), ("linear", get_linear_schedule_with_warmup)],
)
@pytest.mark.parametrize("warmup", [0, 1, 5])
def test_as_in_transformers(schedule, theirs, warmup):
    settings = Settings(schedule=schedule, warmup_steps=warmup)
    mine = [lr_scale(step, TOTAL, settings) for step in range(TOTAL)]
    other = _rates(theirs, warmup, TOTAL)
    # Theirs spends its first warmup step at a rate of 0, which learns nothing; merc's begins with the next one.
    assert mine[:warmup] == pytest.approx([*other[1:warmup], 1.0][:warmup])
    assert mine[warmup:] == pytest.approx(other[warmup:])


@pytest.mark.parametrize("warmup", [0, 5])
def test_constant(warmup):
    settings = Settings(schedule="constant", warmup_steps=warmup)
    mine = [lr_scale(step, TOTAL, settings) for step in range(TOTAL)]
    assert mine[warmup:] == _rates(get_constant_schedule_with_warmup, warmup)[warmup:] == [1.0] * (TOTAL - warmup)


def test_cosine_as_in_torch():
    mine = [lr_scale(step, TOTAL, Settings()) for step in range(TOTAL)]
    assert mine == pytest.approx(_rates(torch.optim.lr_scheduler.CosineAnnealingLR, TOTAL))


def test_warmup_longer_than_training():
    settings = Settings(warmup_steps=100)
    assert [lr_scale(step, 3, settings) for step in range(3)] == [0.01, 0.02, 0.03]
