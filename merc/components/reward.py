"""Reward: how good an answer is that a model wrote."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from merc.components.base import Component
from merc.components.model import Generation
from merc.components.prompter import Query
from merc.conversation import LabelSpace


@dataclass(frozen=True, kw_only=True)
class Reward(Component):
    """What a trainer that lets the model write learns to get more of.

    Short answers:

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Short(Reward):
    ...     words: int = 20
    ...
    ...     def scores(self, query, answers):
    ...         return [float(len(answer.text.split()) <= self.words) for answer in answers]
    >>> answers = [Generation(text, (5,), (-0.5,), ended=True) for text in ("joy", "so so so")]
    >>> Short(words=2).scores(None, answers)
    [1.0, 0.0]
    """

    kind: ClassVar[str] = "reward"
    weight: float = 1.0
    """The factor of this reward in an answer's sum of rewards."""

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"weight is 0 or above, not {self.weight:g}")

    def check(self, labels: LabelSpace, queries: Sequence[Query]) -> None:
        """See, before anything is encoded, that all answers can be judged.

        Args:
            labels: The label space of the run.
            queries: What the model is to be asked, by a stage that learns or by a decoder.

        Raises:
            MercError: An utterance lacks what ``scores`` reads of it.
        """

    @abstractmethod
    def scores(self, query: Query, answers: Sequence[Generation]) -> Sequence[float]:
        """How good answers are.

        Args:
            query: What was asked.
            answers: What the model wrote, all of it to the one query, so that a judge may compare.

        Returns:
            A finite number for each answer, more for a better one; the same answers always get the same numbers.
        """
