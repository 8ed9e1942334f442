"""Each check of the contract of heads fails for a head that breaks it, and says why."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import pytest

import merc
import merc.testing
from merc.testing.examples import head
from tests.testing.broken import frozen, said


@frozen
class Twice(head.Example):
    def fields(self) -> Any:
        return ("intensity", "intensity")


@frozen
class Taken(head.Example):
    def fields(self) -> Any:
        return ("label",)


@frozen
class Strange(head.Example):
    gives: ClassVar[frozenset[str]] = frozenset({"wisdom"})


@frozen
class Short(head.Example):
    def target(self, utterance: merc.Utterance) -> Any:
        return super().target(utterance) if utterance.values else [None]


@frozen
class Single(head.Example):
    def build(self, width: int) -> Any:
        import torch

        return torch.nn.Linear(width, 1)


@frozen
class Leaking(head.Example):
    def build(self, width: int) -> Any:
        import torch

        class Mean(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = torch.nn.Linear(width, 3)

            def forward(self, states: torch.Tensor) -> torch.Tensor:
                return self.layer(states - states.mean(0)).sigmoid()

        return Mean()


@frozen
class Summed(head.Example):
    def losses(self, outputs: Any, targets: Any) -> Any:
        return super().losses(outputs, targets).sum(1)


@frozen
class Detached(head.Example):
    def losses(self, outputs: Any, targets: Any) -> Any:
        return super().losses(outputs.detach(), targets)


@frozen
class Endless(head.Example):
    def losses(self, outputs: Any, targets: Any) -> Any:
        return super().losses(outputs, targets) * math.inf


@frozen
class Renamed(head.Example):
    def values(self, outputs: Any) -> Any:
        return {"strength": 1.0}


@frozen
class Wordy(head.Example):
    def values(self, outputs: Any) -> Any:
        return {"intensity": "high"}


@frozen
class NoSet(head.Example):
    gives: ClassVar[frozenset[str]] = frozenset({"label_sets"})

    def target(self, utterance: merc.Utterance) -> Any:
        return [0.0] * self.most

    def values(self, outputs: Any) -> Any:
        return {"intensity": {"labels": ["high"], "probabilities": {"low": 0.5}}}


@pytest.mark.parametrize(
    ("component", "check", "message"),
    [
        (Twice(), "test_fields_are_names", "fields() gives ('intensity', 'intensity'); it must give one name"),
        (Taken(), "test_fields_are_names", "fields() names ['label'], which are no values of an utterance"),
        (Strange(), "test_fields_are_names", "gives names ['wisdom']; a head gives: numbers, label_sets"),
        (Short(), "test_targets_are_numbers_or_none", "target() gives 3 entries, and 1 where it knows nothing"),
        (Single(), "test_gives_one_row_a_prompt", "Single gives (5, 1) for 5 prompts; its targets are (5, 3)"),
        (Leaking(), "test_prompts_do_not_depend_on_each_other", "prompt 0 alone gives other outputs than in the batch"),
        (Summed(), "test_losses_are_finite_and_every_parameter_learns", "losses() gives (5,); it must give one value"),
        (Detached(), "test_losses_are_finite_and_every_parameter_learns", "losses() of Detached gives values without"),
        (Endless(), "test_losses_are_finite_and_every_parameter_learns", "losses() of Endless gives values that are"),
        (Renamed(), "test_values_are_plain_and_go_by_the_fields", "values() gives {'strength': 1.0}; it must give"),
        (Wordy(), "test_values_are_plain_and_go_by_the_fields", "values() gives 'high' for 'intensity'; gives says"),
        (NoSet(), "test_values_are_plain_and_go_by_the_fields", "values() gives {'labels': ['high'], 'probabilities'"),
    ],
)
def test_a_head_that_breaks_its_contract(component: Any, check: str, message: str) -> None:
    assert said(merc.testing.HeadContract, component, check).startswith(message)
