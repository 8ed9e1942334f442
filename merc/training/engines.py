"""The engine that a recipe names."""

from __future__ import annotations

import os

from merc.errors import MercError
from merc.recipe import Engine as EngineChoice
from merc.training.engine import Engine, TorchEngine


def make_engine(choice: EngineChoice) -> Engine:
    """``torch`` is one process; ``deepspeed`` is as many as the launcher started. Raises MercError for ``torch``
    under a launcher of several, where every process would train the same."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if choice.name == "deepspeed":
        from merc.training.deepspeed_engine import DeepSpeedEngine

        return DeepSpeedEngine(choice.zero, choice.device)
    if world > 1:
        raise MercError(
            f"engine torch runs in one process, and {world} were started; set engine.name=deepspeed, or start merc "
            "without a launcher"
        )
    return TorchEngine()
