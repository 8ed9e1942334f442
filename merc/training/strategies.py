"""The strategy that a recipe names."""

from __future__ import annotations

import os

from merc.errors import MercError
from merc.recipe import Strategy as EngineChoice
from merc.training.strategy import Strategy, TorchStrategy


def make_strategy(choice: EngineChoice) -> Strategy:
    """``torch`` is one process; ``deepspeed`` is as many as the launcher started. Raises MercError for ``torch``
    under a launcher of several, where every process would train the same."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if choice.name == "deepspeed":
        from merc.training.deepspeed_strategy import DeepSpeedStrategy

        return DeepSpeedStrategy(choice.zero, choice.device)
    if world > 1:
        raise MercError(
            f"strategy torch runs in one process, and {world} were started; set strategy.name=deepspeed, or start merc "
            "without a launcher"
        )
    return TorchStrategy()
