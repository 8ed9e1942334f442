"""The predictions of the last evaluation on dev, taken again at the end of a run whose model is still the same."""

from __future__ import annotations

from collections.abc import Callable

from merc.components import Prediction, Prompter
from merc.evaluation.projection import StatesById
from merc.model.emotion_model import EmotionModel
from merc.model.state import state_digest
from merc.recipe import ComponentRef
from merc.training.strategy import Strategy

Predict = Callable[[str, Prompter, ComponentRef | None, StatesById | None], list[Prediction]]
"""Predictions of the model as it is for a split, with a prompter and what chooses its demonstrations; a dictionary is
filled with hidden states."""


class LastEvaluation:
    """Predicts, and keeps what the last evaluation predicted, with a digest of all that the model had learned."""

    def __init__(self, predict: Predict, model: EmotionModel, strategy: Strategy) -> None:
        self._anew, self.model, self.strategy = predict, model, strategy
        self._how: tuple[str, Prompter, ComponentRef | None] | None = None
        self._digest = ""
        self._kept: list[Prediction] = []

    def evaluate(self, split: str, prompter: Prompter, selector: ComponentRef | None) -> list[Prediction]:
        """Predict, and keep it."""
        predictions = self._anew(split, prompter, selector, None)
        self._how, self._digest, self._kept = (split, prompter, selector), self._learned(), predictions
        return predictions

    def forget(self) -> None:
        """Keep nothing, since predictions come from another decoder now."""
        self._how, self._kept = None, []

    def predict(
        self, split: str, prompter: Prompter, selector: ComponentRef | None, states: StatesById | None = None
    ) -> list[Prediction]:
        """What the last evaluation predicted, if it was in this way and the model is as it was; else predict anew, as
        whoever wants hidden states does."""
        before = self._again((split, prompter, selector)) if states is None else None
        return self._anew(split, prompter, selector, states) if before is None else before

    def _again(self, how: tuple[str, Prompter, ComponentRef | None]) -> list[Prediction] | None:
        if self._how is None or any(now is not before for now, before in zip(how, self._how, strict=True)):
            return None
        # All processes have to go the same way, since they predict together.
        others = self.strategy.sums([float(self._learned() != self._digest)])[0]
        return None if others else self._kept

    def _learned(self) -> str:
        with self.strategy.gathered():
            return state_digest(self.model) if self.strategy.first else ""
