"""A program for torchrun: the contract of a trainer in each of several processes, on DeepSpeed."""

from __future__ import annotations

import importlib.util
import sys
from functools import reduce
from pathlib import Path
from typing import Any


def main(folder: Path, module: str, file: str, name: str) -> None:
    """Train whole, and stopped in the middle and resumed; the first process writes both states into ``folder``."""
    from safetensors.torch import save_file

    from merc.testing.trainer import _watching
    from merc.training.deepspeed_strategy import DeepSpeedStrategy

    contract = _contract(module, file, name)
    strategy = _watching(DeepSpeedStrategy)(1, "cpu")
    whole, _, events = contract.train(folder / "whole", strategy=strategy)
    _keep(strategy, whole, folder / "whole.safetensors", save_file)
    _, report, _ = contract.train(
        folder / "stopped", stop_after=contract.middle(events), sudden=False, strategy=strategy
    )
    assert report is None, "it went on after SIGTERM"
    resumed, _, _ = contract.train(folder / "stopped", resume=True, strategy=strategy)
    _keep(strategy, resumed, folder / "resumed.safetensors", save_file)


def _keep(strategy: Any, network: Any, path: Path, save_file: Any) -> None:
    if strategy.first:
        save_file({name: p.detach().clone() for name, p in network.named_parameters()}, path)
    strategy.barrier()


def _contract(module: str, file: str, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(module, file)
    assert spec is not None and spec.loader is not None
    loaded = sys.modules[module] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    contract: Any = reduce(getattr, name.split("."), loaded)
    return contract()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
