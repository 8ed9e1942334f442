from __future__ import annotations

import pytest

from merc.training.settings import Settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epochs": 0}, "epochs counts from 1, not 0"),
        ({"gradient_accumulation": 0}, "gradient_accumulation counts from 1, not 0"),
        ({"batch_conversations": -1}, "batch_conversations counts from 1, not -1"),
        ({"patience": 0}, "patience counts from 1, not 0"),
        ({"evaluate_every": 0}, "evaluate_every counts from 1, not 0"),
        ({"lr": 0.0}, "lr is above 0, not 0.0"),
        ({"connector_lr": -1.0}, "connector_lr is above 0, not -1.0"),
        ({"warmup_steps": -1}, "warmup_steps counts from 0, not -1"),
        ({"weight_decay": -0.1}, "weight_decay is 0 or above, not -0.1"),
        ({"max_grad_norm": 0.0}, "max_grad_norm is above 0, not 0.0"),
        (
            {"gradient_accumulation": 2},
            "gradient_accumulation: 2 needs batch_conversations: null; with batch_conversations: 4 a step is as many "
            "passes as they need",
        ),
    ],
)
def test_what_cannot_be(given: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError) as error:
        Settings(**given)  # type: ignore[arg-type]
    assert str(error.value) == said
