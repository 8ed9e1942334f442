"""The moving average of what learns, and soups: exact, chosen on dev, and the same after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from merc.conversation import Conversation
from merc.errors import MercError
from merc.training.averaging import MovingAverage
from merc.training.settings import Settings
from merc.training.strategy import Strategy, TorchStrategy
from tests.training.jobs import cut_off, model_of, same_state, state_of, trained

STEPS: dict[str, Any] = {"epochs": 1, "lr": 5e-3, "batch_conversations": 3, "evaluate_every": 1, "checkpoint_every": 1}


class Remembering(TorchStrategy):
    """Keeps what the weights were before the first step and after each."""

    def __init__(self) -> None:
        super().__init__()
        self.raw: list[dict[str, Tensor]] = []

    def step(self, lr_scale: float, max_norm: float | None) -> float:
        self.raw += [] if self.raw else [self.state()]
        norm = super().step(lr_scale, max_norm)
        self.raw.append(self.state())
        return norm


def judge(values: Iterator[float]) -> Callable[[], Mapping[str, Any]]:
    return lambda: {"weighted_f1": next(values)}


def by_hand(raw: list[dict[str, Tensor]], decay: float) -> list[dict[str, Tensor]]:
    averages = [raw[0]]
    for step, weights in enumerate(raw[1:], start=1):
        kept = min(decay, (1 + step) / (10 + step))
        averages.append({name: kept * averages[-1][name] + (1 - kept) * value for name, value in weights.items()})
    return averages


def close(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    both = one.keys() & two.keys()
    return any("lora_B" in name for name in both) and all(
        torch.allclose(one[name], two[name], rtol=1e-5, atol=1e-7) for name in both
    )


@pytest.mark.parametrize("best", [1, 2, 4])
def test_the_average_is_judged_and_kept(backbone: Path, talks: list[Conversation], tmp_path: Path, best: int) -> None:
    model, strategy = model_of(backbone), Remembering()
    judged: list[dict[str, Tensor]] = []

    def evaluate() -> Mapping[str, float]:
        judged.append(state_of(model))
        return {"weighted_f1": float(len(judged) == best)}

    report, _ = trained(model, talks, tmp_path, Settings(**STEPS, ema_decay=0.3), evaluate=evaluate, strategy=strategy)
    wanted = by_hand(strategy.raw, 0.3)
    assert len(judged) == report.steps == len(wanted) - 1 == 4
    assert all(close(own, average) for own, average in zip(judged, wanted[1:], strict=True))
    assert not close(judged[-1], strategy.raw[-1])
    assert report.best is not None and report.best["step"] == best
    assert close(state_of(model), wanted[best])


def test_without_dev_the_last_average_is_kept(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model, strategy = model_of(backbone), Remembering()
    trained(model, talks, tmp_path, Settings(**STEPS, ema_decay=0.9), strategy=strategy)
    assert close(state_of(model), by_hand(strategy.raw, 0.9)[-1])


@pytest.mark.parametrize(
    ("of", "values", "soup", "best"),
    [
        ("best", (0.1, 0.4, 0.3, 0.2, 0.5), [2, 3], 2),  # the mean is better than the best: it is kept
        ("last", (0.4, 0.1, 0.3, 0.2, 0.5), [3, 4], 1),  # the best state is not one of the last two
        ("best", (0.1, 0.4, 0.3, 0.2, 0.4), None, 2),  # no better: the best is kept
        ("last", (0.1, 0.5, 0.3, 0.2, 0.4), None, 2),  # better than the last two, and not than the best of all
    ],
)
def test_a_soup_is_chosen_on_dev(
    backbone: Path,
    talks: list[Conversation],
    tmp_path: Path,
    of: Any,
    values: tuple[float, ...],
    soup: list[int] | None,
    best: int,
) -> None:
    model, strategy = model_of(backbone), Remembering()
    settings = Settings(**STEPS, soup=2, soup_of=of)
    report, seen = trained(model, talks, tmp_path, settings, evaluate=judge(iter(values)), strategy=strategy)
    assert report.best is not None
    if soup is None:
        assert "soup" not in report.best and report.best["step"] == 2
        assert close(state_of(model), strategy.raw[2])
    else:
        assert list(report.best["soup"]) == soup and report.best["value"] == values[-1]
        one, two = (strategy.raw[step] for step in soup)
        assert close(state_of(model), {name: (value + two[name]) / 2 for name, value in one.items()})
    assert [record.get("soup") for record in seen.events("dev")][:-1] == [None] * 4
    end = "the best state is kept" if soup is None else "the mean is kept"
    assert f"on dev, the best state, after step {best}, {values[best - 1]:.4f}: {end}" in seen.said[-1]


@pytest.mark.parametrize("after", [1, 3])
def test_both_go_on_as_if_nothing_had_ended_them(
    backbone: Path, talks: list[Conversation], tmp_path: Path, after: int
) -> None:
    settings = Settings(**STEPS, ema_decay=0.5, soup=2)
    values = (0.3, 0.2, 0.4, 0.1, 0.9)
    whole = model_of(backbone)
    report, _ = trained(whole, talks, tmp_path / "whole", settings, evaluate=judge(iter(values)))
    cut_off(model_of(backbone), talks, tmp_path / "cut", settings, after=after, evaluate=judge(iter(values)))
    model = model_of(backbone)
    # The step that was cut off is taken again, and its evaluation with it.
    going_on = judge(iter(values[after - 1 :]))
    resumed, _ = trained(model, talks, tmp_path / "cut", settings, evaluate=going_on, resume=True)
    assert resumed.best == report.best and report.best is not None and list(report.best["soup"]) == [1, 3]
    assert same_state(state_of(model), state_of(whole))


def test_what_cannot_be_averaged(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    with pytest.raises(MercError, match=r"ema_decay is of one process.*trainer.soup"):
        MovingAverage(torch.nn.Linear(1, 1), {}, 0.9, _Shared())
    with pytest.raises(MercError, match=r"stages.merc.trainer.soup: the states of a soup are those of evaluations"):
        trained(model_of(backbone), talks, tmp_path, Settings(**STEPS, soup=2))
    with pytest.raises(ValueError, match="ema_decay is between 0 and 1"):
        Settings(ema_decay=1.0)
    with pytest.raises(ValueError, match="soup averages 2 states at least, not 1"):
        Settings(soup=1)


class _Shared(Strategy):
    """A strategy that is not torch's."""


_Shared.__abstractmethods__ = frozenset()


def test_a_soup_of_one_evaluation_says_that_there_is_none(
    backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    settings = Settings(epochs=1, lr=5e-3, soup=2)
    _, seen = trained(model_of(backbone), talks, tmp_path, settings, evaluate=judge(iter([0.5, 0.5])))
    assert [one for one in seen.said if one.startswith("soup: there was one evaluation")]
