"""One optimizer step: the losses of its prompts, their gradients, the update."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from merc.components import TrainJob
from merc.errors import MercError
from merc.model.batch import TreeBatch, make_batch
from merc.prompting import Tree
from merc.training.engine import ParameterGroup
from merc.training.free_running import free_running
from merc.training.losses import answer_weight, class_weights, prompt_losses, weigh_tokens
from merc.training.settings import Settings
from merc.training.steps import Step


@dataclass(frozen=True)
class Taken:
    """What a step was: the loss (without the l2 term), the norm of the gradient before clipping, how many prompts and
    how many nodes were computed."""

    loss: float
    norm: float
    prompts: int
    tokens: int


class Updater:
    """Takes optimizer steps of a stage. ``classes`` are weights ``[labels]``, ``tokens`` weights by token; ``None``
    when these count alike."""

    def __init__(
        self, job: TrainJob, settings: Settings, classes: Tensor | None = None, tokens: Tensor | None = None
    ) -> None:
        self.job, self.settings, self.classes, self.tokens = job, settings, classes, tokens

    def take(self, step: Step, number: int, epoch: int, scale: float) -> Taken:
        """Take step ``number`` (from 0) with the learning rates times ``scale``.

        Raises MercError for a loss or gradient that is not finite, naming the utterances, in every process the same; no
        weight is changed then.
        """
        engine, settings = self.job.engine, self.settings
        # Dropout depends on the seed and the step alone, so that a resumed run draws what an uninterrupted one draws.
        torch.manual_seed(zlib.crc32(f"{self.job.seed}/{self.job.stage}/{number}/{engine.rank}".encode()))
        self.job.model.train()
        micro = self._read(step, epoch)
        batches = [self._weighed(make_batch(*some)) for some in micro]
        weight = sum(answer_weight(batch, settings.average, self.classes) for batch in batches)
        mine = batches[engine.rank :: engine.world]
        # Every process must run as many passes as the others: those with fewer repeat one that counts for nothing.
        passes = math.ceil(len(batches) / engine.world)
        learned = 0.0
        spoiled: list[Any] = []
        for index in range(passes):
            counts = index < len(mine)
            batch = mine[index] if counts else batches[0]
            loss = self._losses(batch, epoch).sum() / weight
            value = float(loss.detach())
            if counts:
                learned += value
                if not math.isfinite(value):
                    spoiled.append([value, _names([batch])])
            # Also behind a loss that is no number: the other processes wait for this one's gradients.
            engine.backward(loss * engine.world if counts else loss * 0.0, last=index + 1 == passes)
        learned, bad = engine.sums([learned, float(len(spoiled))])
        if bad:
            spoiled = engine.collect(spoiled)
            names = [name for _, of_batch in spoiled for name in of_batch]
            raise MercError(_not_finite(self.job.stage, number + 1, "loss", spoiled[0][0], names, engine.scales_loss))
        norm = engine.step(scale, settings.max_grad_norm)
        if not math.isfinite(norm) and not engine.scales_loss:
            what, names = "norm of the gradient", _names(batches)
            raise MercError(_not_finite(self.job.stage, number + 1, what, norm, names, engine.scales_loss))
        return Taken(learned, norm, sum(len(b.prompts) for b in batches), sum(b.size for b in batches))

    def _read(self, step: Step, epoch: int) -> list[tuple[list[Tree], bool]]:
        """The step's micro-batches, with what the model reads of the answers: these, or what it says itself."""
        if self.settings.answer == "teacher-forced":
            return step.micro
        return free_running(self.job.model, step.micro, epoch, self.settings.precision)

    def _weighed(self, batch: TreeBatch) -> TreeBatch:
        return batch if self.tokens is None else weigh_tokens(batch, self.tokens)

    def _losses(self, batch: TreeBatch, epoch: int) -> Tensor:
        batch = batch.to(self.job.model.device)
        found = self.job.engine.log_probabilities(batch, epoch)
        losses = prompt_losses(found, batch, self.settings.loss, len(self.job.labels))
        return losses if self.classes is None else losses * class_weights(batch, self.classes)


def parameter_groups(model: Any, settings: Settings) -> list[ParameterGroup]:
    """AdamW's groups: the backbone's parameters, and the connectors' and fusers'. Raises MercError if none learns."""
    learning = [(n, p) for n, p in model.named_parameters() if n in model.learns and p.requires_grad]
    backbone = [p for n, p in learning if n.startswith("llm.")]
    media = [p for n, p in learning if not n.startswith("llm.")]
    both: ParameterGroup = {"weight_decay": settings.weight_decay, "l2": settings.l2}
    groups: list[ParameterGroup] = [
        {"params": backbone, "lr": settings.lr, **both},
        {"params": media, "lr": settings.connector_lr or settings.lr, **both},
    ]
    groups = [g for g in groups if g["params"]]
    if not groups:
        raise MercError(
            "nothing is trainable: the backbone is frozen and there is no connector or fuser to train; "
            "set backbone.tuning={name: lora}, add connectors, or leave the stages out to evaluate as it is"
        )
    return groups


def _names(batches: Sequence[TreeBatch]) -> list[str]:
    return [p.target for batch in batches for p in batch.prompts]


def _not_finite(stage: str, step: int, what: str, value: float, names: Sequence[str], in_float16: bool) -> str:
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    wider = "use bfloat16 or float32 in place of float16, " if in_float16 else ""
    return (
        f"stages.{stage}: the {what} is {value} at step {step}. In the batch were the utterances {shown}. "
        f"Lower trainer.lr, set trainer.max_grad_norm, {wider}or look at these utterances' features; the last "
        "checkpoint is kept"
    )
