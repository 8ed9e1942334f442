"""The training loop: epochs of steps, looks at the dev split, checkpoints, the best state at the end."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Mapping
from typing import Any

import torch

from merc.components import TrainJob, TrainReport
from merc.errors import MercError
from merc.model.batch import make_batch
from merc.model.tuning import learnable
from merc.training.checkpoint import load_best, load_checkpoint, save_best, save_checkpoint
from merc.training.engine import ParameterGroup
from merc.training.interrupt import Stopped, StopRequest
from merc.training.losses import answer_losses, answer_weight, balanced_weights, class_weights, label_losses
from merc.training.settings import Settings
from merc.training.steps import Step, encode_epoch, epoch_steps


def fit(job: TrainJob, settings: Settings) -> TrainReport:
    """Train a stage to its end, from its checkpoint if the job says so."""
    return _Loop(job, settings).run()


class _Loop:
    def __init__(self, job: TrainJob, settings: Settings) -> None:
        self.job = job
        self.settings = settings
        self.step = 0
        self.looks_without_better = 0
        self.best: dict[str, Any] | None = None
        self.classes: torch.Tensor | None = None
        self.spent = 0.0

    def run(self) -> TrainReport:
        job, settings = self.job, self.settings
        started = time.monotonic()
        model = job.model
        if settings.activation_checkpointing:
            model.base.gradient_checkpointing_enable({"use_reentrant": False})
        job.engine.prepare(model, _groups(model, settings), settings.precision)
        progress = load_checkpoint(job.folder, job.engine) if job.resume else None
        if progress:
            self.step, self.best = progress["step"], progress["best"]
            self.looks_without_better, self.spent = progress["looks_without_better"], progress["seconds"]
            job.rewind(self.step)
        first = encode_epoch(job, settings, 0)
        if not first:
            raise MercError(f"stages.{job.stage}: there is nothing to learn: no utterance of its data has a label")
        if settings.class_weights == "balanced":
            truths = [
                job.labels.labels[a.label] for g in first for p in g for a in p.answers if a.gold and a.label >= 0
            ]
            self.classes = balanced_weights(truths, job.labels)
        per_epoch = len(epoch_steps(model, first, settings))
        total = per_epoch * settings.epochs
        stopped_early = bool(progress and progress.get("stopped_early"))
        at = 0
        with StopRequest() as stop:
            for epoch in range(settings.epochs):
                if stopped_early:
                    break
                groups = first if epoch == 0 else encode_epoch(job, settings, epoch)
                steps = epoch_steps(model, groups, settings)
                for index, step in enumerate(steps):
                    at += 1
                    if at <= self.step:
                        continue
                    self._take(step, epoch, (index + 1) / len(steps), total)
                    ended = index + 1 == len(steps)
                    look = settings.evaluate_every
                    if job.evaluate and (ended if look is None else self.step % look == 0 or self.step == total):
                        stopped_early = self._look(epoch + (index + 1) / len(steps))
                    self.spent += time.monotonic() - started
                    started = time.monotonic()
                    due = ended or self.step % settings.checkpoint_every == 0 or stopped_early or stop.asked
                    if due and (self.step < total or stop.asked):
                        self._checkpoint(stopped_early)
                    if stop.asked:
                        raise Stopped(
                            f"stopped in stage {job.stage!r} at step {self.step} of {total}; --resume goes on",
                            stop.asked,
                        )
                    if stopped_early:
                        break
        found = load_best(job.folder)
        if found:
            job.engine.restore(found[0])
        elif self.best is not None:
            raise MercError(f"{job.folder / 'best.safetensors'} is gone; start the stage again in a new run directory")
        self.spent += time.monotonic() - started
        if settings.activation_checkpointing:
            model.base.gradient_checkpointing_disable()
        model.eval()
        return TrainReport(
            steps=self.step,
            epochs=self.step / per_epoch,
            seconds=self.spent,
            best=self.best,
            stopped_early=stopped_early,
        )

    def _take(self, step: Step, epoch: int, share: float, total: int) -> None:
        job, settings, engine = self.job, self.settings, self.job.engine
        began = time.monotonic()
        # Dropout depends on the seed and the step alone, so that a resumed run draws what an uninterrupted one draws.
        torch.manual_seed(zlib.crc32(f"{job.seed}/{job.stage}/{self.step}/{engine.rank}".encode()))
        job.model.train()
        batches = [make_batch(*micro) for micro in step.micro]
        weight = sum(answer_weight(batch.prompts, settings.average, self.classes) for batch in batches)
        mine = batches[engine.rank :: engine.world]
        # Every process must run as many passes as the others: those with fewer repeat one that counts for nothing.
        passes = math.ceil(len(batches) / engine.world)
        loss_sum = 0.0
        for index in range(passes):
            counts = index < len(mine)
            batch = (mine[index] if counts else batches[0]).to(job.model.device)
            found = engine.log_probabilities(batch, epoch)
            if settings.loss == "labels" and bool((batch.path_label >= 0).all()):
                losses = label_losses(found, batch, len(job.labels))
            else:
                losses = answer_losses(found, batch)
            if self.classes is not None:
                losses = losses * class_weights(batch.prompts, self.classes).to(losses.device)
            loss = losses.sum() / weight
            if not torch.isfinite(loss):
                raise MercError(_not_finite(job.stage, self.step + 1, float(loss.detach()), batch.prompts))
            if counts:
                loss_sum += float(loss.detach())
            if settings.l2 and index == 0 and engine.first:
                loss = loss + settings.l2 * sum(
                    p.float().square().sum() for p in job.model.parameters() if p.requires_grad
                )
            engine.backward(loss * engine.world if counts else loss * 0.0, last=index + 1 == passes)
        scale = lr_scale(self.step, total, settings)
        norm = engine.step(scale, settings.max_grad_norm)
        self.step += 1
        (loss_sum,) = engine.sums([loss_sum])
        seconds = time.monotonic() - began
        prompts = sum(len(batch.prompts) for batch in batches)
        job.log(
            {
                "event": "step",
                "stage": job.stage,
                "step": self.step,
                "epoch": round(epoch + share, 4),
                "loss": loss_sum,
                "lr": settings.lr * scale,
                "grad_norm": norm,
                "utterances_per_second": prompts / seconds,
                "tokens": sum(batch.size for batch in batches),
            }
        )
        speed = f"{prompts / seconds:.1f} utterances/s"
        job.progress(self.step / total, f"epoch {epoch + 1}/{settings.epochs}  loss {loss_sum:.3f}  {speed}")

    def _look(self, epoch: float) -> bool:
        """Evaluate on dev, keep the state if it is the best so far; true when training should stop early."""
        job, settings = self.job, self.settings
        assert job.evaluate is not None
        job.model.eval()
        metrics: Mapping[str, Any] = job.evaluate()
        if settings.select_by not in metrics:
            numbers = [n for n, v in metrics.items() if isinstance(v, (int, float))]
            raise MercError(
                f"stages.{job.stage}.trainer.select_by: there is no dev metric {settings.select_by!r}; "
                f"there are: {', '.join(numbers)}"
            )
        value = float(metrics[settings.select_by])
        plain = {n: v for n, v in metrics.items() if isinstance(v, (int, float))}
        job.log({"event": "dev", "stage": job.stage, "step": self.step, "epoch": round(epoch, 4), "metrics": plain})
        if self.best is None or value > self.best["value"]:
            self.best = {"metric": settings.select_by, "value": value, "step": self.step, "epoch": round(epoch, 4)}
            self.looks_without_better = 0
            state = job.engine.state()
            if job.engine.first:
                save_best(job.folder, state, self.best)
            job.engine.barrier()
        else:
            self.looks_without_better += 1
        return settings.patience is not None and self.looks_without_better >= settings.patience

    def _checkpoint(self, stopped_early: bool) -> None:
        save_checkpoint(
            self.job.folder,
            self.job.engine,
            self.step,
            {
                "best": self.best,
                "looks_without_better": self.looks_without_better,
                "seconds": self.spent,
                "stopped_early": stopped_early,
            },
        )


def lr_scale(step: int, total: int, settings: Settings) -> float:
    """What the learning rate is multiplied by at a step (from 0): linear warmup, then the schedule down to 0.

    >>> s = Settings(schedule="linear", warmup_steps=2)
    >>> [round(lr_scale(i, 6, s), 2) for i in range(6)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    share = (step - settings.warmup_steps) / max(1, total - settings.warmup_steps)
    if settings.schedule == "constant":
        return 1.0
    return max(0.0, 1 - share) if settings.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * share))


def _groups(model: Any, settings: Settings) -> list[ParameterGroup]:
    """AdamW's groups: the backbone's parameters, and the connectors' and fusers'."""
    backbone = [p for p in learnable(model) if p.requires_grad]
    media = [p for p in model.media.parameters() if p.requires_grad]
    decay = settings.weight_decay
    groups = [
        {"params": backbone, "lr": settings.lr, "weight_decay": decay},
        {"params": media, "lr": settings.connector_lr or settings.lr, "weight_decay": decay},
    ]
    groups = [g for g in groups if g["params"]]
    if not groups:
        raise MercError(
            "nothing is trainable: the backbone is frozen and there is no connector or fuser to train; "
            "set backbone.tuning={name: lora}, add connectors, or leave the stages out to evaluate as it is"
        )
    return groups


def _not_finite(stage: str, step: int, loss: float, prompts: Any) -> str:
    names = [p.target for p in prompts]
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return (
        f"stages.{stage}: the loss is {loss} at step {step}. In the batch were the utterances {shown}. "
        "Lower trainer.lr, set trainer.max_grad_norm, use bfloat16 or float32 in place of float16, or look at these "
        "utterances' features; the last checkpoint is kept"
    )
