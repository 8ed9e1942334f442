"""A stage as ``fit`` has it: what a trainer may rely on, and the network and strategy that do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from merc.components import TrainContext
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.training.strategy import Strategy

if TYPE_CHECKING:
    from merc.training.probe import StepProbe


@dataclass(frozen=True, kw_only=True)
class StageContext(TrainContext):
    """``network`` is the model that learns, ``strategy`` runs its passes and steps (one process, or DeepSpeed).

    With a ``probe`` it takes a few steps in place of the stage's, to know what all would take.
    """

    network: EmotionModel
    strategy: Strategy
    probe: StepProbe | None = None


def stage_of(context: TrainContext) -> StageContext:
    """The context with its network and strategy. Raises MercError for one that merc has not made."""
    if isinstance(context, StageContext):
        return context
    raise MercError(
        f"merc.training.fit was given {type(context).__name__}; give it the context that train() is called with, or "
        "dataclasses.replace(context, ...) to change what it has"
    )
