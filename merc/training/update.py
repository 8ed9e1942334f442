"""One optimizer step: the losses of its prompts, their gradients, the update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from merc.errors import MercError, first_names
from merc.model.batch import TreeBatch, make_batch
from merc.registry import get_registry
from merc.training.context import StageContext
from merc.training.loss_set import LossSet, Measured
from merc.training.settings import Settings
from merc.training.steps import Step
from merc.training.strategy import ParameterGroup


@dataclass(frozen=True)
class StepResult:
    """What a step was: the loss (without penalties) and what each loss adds to it that counted something, the norm of
    the gradient before clipping, how many prompts and how many nodes were computed, and what losses measured, by loss
    and name."""

    loss: float
    losses: dict[str, float]
    norm: float
    prompts: int
    tokens: int
    measures: dict[str, dict[str, float]]


class Updater:
    """Takes optimizer steps of a stage."""

    def __init__(self, context: StageContext, settings: Settings, losses: LossSet) -> None:
        self.context, self.settings, self.losses = context, settings, losses
        self.counts: list[bool] = []
        """Of each prompt of the step that was taken last, whether it counts for a loss."""

    def take(self, step: Step, number: int, epoch: int, lr_scale: float) -> StepResult | None:
        """Take step ``number`` (from 0) with the learning rates times ``lr_scale``; None for one of which nothing
        counts, that changes no weight.

        Raises MercError for a loss or gradient that is not finite, naming the loss and the utterances, in every process
        the same; no weight is changed then.
        """
        context, strategy, losses = self.context, self.context.strategy, self.losses
        context.network.train()
        batches = [replace(make_batch(*some), labels=len(context.labels)) for some in step.micro]
        batches = losses.rewritten(context.network, batches, epoch)
        losses.begin(batches)
        prompt_counts = torch.cat([losses.counts(batch) for batch in batches], dim=1)
        self.counts, totals = prompt_counts.any(0).tolist(), prompt_counts.sum(1).tolist()
        if not losses.teaches(totals):
            return None
        mine = batches[strategy.rank :: strategy.world]
        # Every process must run as many passes as the others: those with fewer repeat one that counts for nothing.
        passes = math.ceil(len(batches) / strategy.world)
        learned = [0.0] * len(totals)
        measured = Measured(losses.functions)
        spoiled: list[Any] = []
        for index in range(passes):
            counts = index < len(mine)
            batch = mine[index] if counts else batches[0]
            terms = losses.terms(strategy.loss_values(batch, epoch), totals)
            loss = sum(terms[1:], terms[0])
            if counts:
                measured.add()
                values = [float(term.detach()) for term in terms]
                learned = [before + value for before, value in zip(learned, values, strict=True)]
                wrong = [(n, v) for n, v in zip(losses.functions, values, strict=True) if not math.isfinite(v)]
                spoiled += [[name, value, _names([batch])] for name, value in wrong]
            # Also for a loss that is no number: the other processes wait for this one's gradients.
            strategy.backward(loss * strategy.world if counts else loss * 0.0, last=index + 1 == passes)
        *learned, bad = strategy.sums([*learned, float(len(spoiled))])
        if bad:
            raise MercError(self._spoiled(number, strategy.collect(spoiled)))
        norm = strategy.step(lr_scale, self.settings.max_grad_norm)
        if not math.isfinite(norm) and not strategy.scales_loss:
            raise MercError(self._not_finite(number, "norm of the gradient", norm, _names(batches)))
        prompts, tokens = sum(len(b.prompts) for b in batches), sum(b.size for b in batches)
        measures = measured.means(strategy)
        terms_by_name = {n: one for n, one, total in zip(losses.functions, learned, totals, strict=True) if total}
        return StepResult(sum(learned), terms_by_name, norm, prompts, tokens, measures)

    def _spoiled(self, number: int, spoiled: Sequence[Any]) -> str:
        """What is said of losses that are no numbers, each with the utterances of its pass."""
        name, value, _ = spoiled[0]
        return self._not_finite(number, f"loss {name!r}", value, [one for _, _, names in spoiled for one in names])

    def _not_finite(self, number: int, what: str, value: float, names: Sequence[str]) -> str:
        examples = first_names(names, 20)
        wider = "use bfloat16 or float32 in place of float16, " if self.context.strategy.scales_loss else ""
        return (
            f"stages.{self.context.stage}: the {what} is {value} at step {number + 1}. In the batch were the "
            f"utterances {examples}. Lower trainer.lr, set trainer.max_grad_norm, {wider}or look at these utterances' "
            "features; the last checkpoint is kept"
        )


def parameter_groups(model: Any, settings: Settings, l2: float = 0.0) -> list[ParameterGroup]:
    """AdamW's groups: the backbone's parameters, those of connectors, fusers, heads and losses, and those of encoders,
    all with the penalty ``l2``. Raises MercError if none learns."""
    learning = [(n, p) for n, p in model.learning().items() if p.requires_grad]
    backbone = [p for n, p in learning if n.startswith("llm.")]
    encoders = [p for n, p in learning if n.startswith("media.encoders.")]
    media = [p for n, p in learning if not n.startswith(("llm.", "media.encoders."))]
    both: ParameterGroup = {"weight_decay": settings.weight_decay, "l2": l2}
    groups: list[ParameterGroup] = [
        {"params": backbone, "lr": settings.lr, **both},
        {"params": media, "lr": settings.connector_lr or settings.lr, **both},
        {"params": encoders, "lr": settings.encoder_lr or settings.lr, **both},
    ]
    groups = [g for g in groups if g["params"]]
    if not groups:
        tuning = get_registry().name_of(model.tuning)
        why = f"backbone.tuning {tuning!r} leaves none of the backbone to learn"
        why = "the backbone is frozen" if tuning == "frozen" else why
        raise MercError(
            f"nothing is trainable: {why}, and there is no connector or fuser to train; set "
            "backbone.tuning={name: lora}, add connectors, or leave the stages out to evaluate as it is"
        )
    return groups


def _names(batches: Sequence[TreeBatch]) -> list[str]:
    return [p.target for batch in batches for p in batch.prompts]
