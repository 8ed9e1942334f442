"""Teachers: a student learns what a finished run gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import merc

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Distillation(merc.Loss):
    """T² KL(p_teacher ‖ p_student) of label probabilities, both softened by a temperature T (Hinton et al., 2015), to
    stand beside a loss of the right labels. The teacher is an evaluation of a finished run, with its predictions of the
    train split; the run itself is not loaded again:

    ``merc evaluate RUN --split train --name teacher`` writes ``RUN/evaluations/teacher``.
    """

    answers = "labels"
    teacher: Path
    """The folder that ``merc evaluate`` wrote, with the teacher's predictions of the train split."""
    others: tuple[Path, ...] = ()
    """Folders of further teachers; what is learned is the mean of all teachers' probabilities, an ensemble in one
    model."""
    temperature: float = 1.0
    """T, which divides the log-probabilities of both; 1 leaves them as they are."""
    states: float = 0.0
    """The weight of the mean squared error between the teacher's hidden states and a learned linear map of the
    student's, where answers begin. Above 0 it needs states in the folder: ``merc evaluate RUN ...
    evaluate.states=true``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature is above 0, not {self.temperature:g}")
        if not 0 <= self.states < float("inf"):
            raise ValueError(f"states is 0 or above, not {self.states:g}")
        if self.states and self.others:
            raise ValueError("states are those of one teacher, and there are others; leave states at 0")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """States only where they are learned."""
        return frozenset({"path_log_probs", *(["states"] if self.states else [])})

    def reads_files(self) -> Sequence[Path]:
        """What the teachers predicted, and the first one's states where they are learned."""
        folders = (self.teacher, *self.others)
        states = [self.teacher / "states.safetensors"] if self.states else []
        return [*(folder / "predictions.jsonl" for folder in folders), *states]

    def check(self, labels: merc.LabelSpace, queries: Sequence[merc.Query]) -> None:
        """See that the teachers gave probabilities of the labels of each query. Raises MercError where one did not."""
        from merc_losses.distillation_functions import check_queries, teacher_of

        check_queries(self, labels, teacher_of(self, labels), queries)

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module. Raises MercError for a folder that holds no predictions with probabilities, or those of
        a teacher with labels that this recipe does not have."""
        from merc_losses.distillation_functions import DistillationFunction

        return DistillationFunction(context, self)
