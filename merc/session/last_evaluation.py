"""The predictions of the last evaluation on dev, taken again at the end of a run whose model is still the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from merc.components import Prediction
from merc.model.emotion_model import EmotionModel
from merc.model.state import state_digest
from merc.training.strategy import Strategy


class LastEvaluation:
    """Predictions, how they were made, and a digest of all that the model had learned by then."""

    def __init__(self, model: EmotionModel, strategy: Strategy) -> None:
        self.model, self.strategy = model, strategy
        self.how: tuple[Any, ...] = ()
        self.digest = ""
        self.predictions: list[Prediction] = []

    def keep(self, how: Sequence[Any], predictions: list[Prediction]) -> None:
        """Keep what the model just predicted; ``how`` are the objects that it was predicted with, and the split."""
        self.how, self.digest, self.predictions = tuple(how), self._learned(), predictions

    def again(self, how: Sequence[Any]) -> list[Prediction] | None:
        """The predictions, if they were made in the same way and by the model as it is; ``None`` if not."""
        if len(how) != len(self.how) or any(now is not before for now, before in zip(how, self.how, strict=True)):
            return None
        # All processes have to go the same way, since they predict together.
        others = self.strategy.sums([float(self._learned() != self.digest)])[0]
        return None if others else self.predictions

    def _learned(self) -> str:
        with self.strategy.gathered():
            return state_digest(self.model) if self.strategy.first else ""
