"""The trainer ``sft``: supervised fine-tuning on the answers of prompts."""

from __future__ import annotations

from dataclasses import dataclass

from merc.components import Trainer, TrainJob, TrainReport
from merc.training.settings import Settings


@dataclass(frozen=True, kw_only=True)
class SupervisedFineTuning(Settings, Trainer):
    """Supervised fine-tuning with AdamW; its parameters are described at ``merc.training.settings.Settings``."""

    def chooses_by(self) -> str:
        """``select_by``."""
        return self.select_by

    def teaches_writing(self) -> bool:
        """Not with ``loss: labels``."""
        return self.loss == "answer"

    def train(self, job: TrainJob) -> TrainReport:
        """Train to the end, or from the last checkpoint on."""
        from merc.training.loop import fit

        return fit(job, self)
