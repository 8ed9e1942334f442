"""Trainer: a model and the prompts of a stage in, a trained state out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from merc.components.base import Component
from merc.components.prompter import Query
from merc.conversation import LabelSpace

if TYPE_CHECKING:
    from merc.model.emotion_model import EmotionModel


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """One stage, ready to train.

    ``queries`` gives the train split's queries for an epoch, grouped by what shares a prefix (a conversation), before
    shuffling; ``evaluate`` gives the dev split's metrics for the model as it is; ``folder`` is the stage's own, for
    checkpoints; ``log`` takes one record (a JSON-able mapping) at a time; ``progress`` takes the share done (0 to 1)
    and a line for the user.
    """

    stage: str
    model: EmotionModel
    labels: LabelSpace
    queries: Callable[[int], Sequence[Sequence[Query]]]
    evaluate: Callable[[], Mapping[str, Any]] | None
    folder: Path
    seed: int
    resume: bool
    log: Callable[[Mapping[str, Any]], None]
    progress: Callable[[float, str], None]
    engine: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """What a trainer did: optimizer steps, epochs, the best dev value and where it was, and seconds."""

    steps: int
    epochs: float
    seconds: float
    best: Mapping[str, Any] | None = None
    stopped_early: bool = False


@dataclass(frozen=True, kw_only=True)
class Trainer(Component):
    """Trains the trainable parts of a model in place, and leaves the best state in them.

    A trainer writes checkpoints so that ``job.resume`` goes on to the same final numbers, takes every random choice
    from ``job.seed``, and never sees the test split.
    """

    kind: ClassVar[str] = "trainer"

    @abstractmethod
    def train(self, job: TrainJob) -> TrainReport:
        """Train. Raises MercError for a loss that is not a number, naming what was in the batch."""
