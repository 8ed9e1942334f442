from __future__ import annotations

import pytest

from merc.errors import MercError
from merc.recipe import Strategy
from merc.training.strategies import make_strategy
from merc.training.strategy import TorchStrategy


def test_torch_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    strategy = make_strategy(Strategy(name="torch"))
    assert isinstance(strategy, TorchStrategy) and strategy.first and strategy.sums([1.0, 2.0]) == [1.0, 2.0]
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert isinstance(make_strategy(Strategy(name="torch")), TorchStrategy)


def test_torch_under_a_launcher_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(MercError) as error:
        make_strategy(Strategy(name="torch"))
    assert str(error.value) == (
        "strategy torch runs in one process, and 2 were started; set strategy.name=deepspeed, or start merc without a "
        "launcher"
    )
