from __future__ import annotations

import pytest

from merc.errors import MercError
from merc.recipe import Engine
from merc.training.engine import TorchEngine
from merc.training.engines import make_engine


def test_torch_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    engine = make_engine(Engine(name="torch"))
    assert isinstance(engine, TorchEngine) and engine.first and engine.sums([1.0, 2.0]) == [1.0, 2.0]
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert isinstance(make_engine(Engine(name="torch")), TorchEngine)


def test_torch_under_a_launcher_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(MercError) as error:
        make_engine(Engine(name="torch"))
    assert str(error.value) == (
        "engine torch runs in one process, and 2 were started; set engine.name=deepspeed, or start merc without a "
        "launcher"
    )
