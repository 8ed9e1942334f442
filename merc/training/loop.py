"""The training loop: epochs of steps, looks at the dev split, checkpoints, the best state at the end."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch

from merc.components import Loss, TrainContext, TrainReport
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.training.checkpoint import Best, Progress, load_best, load_checkpoint, save_best, save_checkpoint
from merc.training.interrupt import SIGNALS, Stopped, StopRequest
from merc.training.loss_set import LossSet, wanted_answers
from merc.training.schedule import lr_scale
from merc.training.settings import Settings
from merc.training.steps import Plan, ScheduledStep
from merc.training.update import Updater, parameter_groups


def fit(job: TrainContext, settings: Settings, losses: Sequence[Loss]) -> TrainReport:
    """Train a stage to its end, from its checkpoint if the job says so.

    Raises MercError for settings and losses that do not fit the model, and for a loss that is not a number.
    """
    model = job.model
    _check_precision(model, settings, job.stage)
    plan = Plan(job, settings, wanted_answers(losses))
    # New parameters of losses come from the stage's seed alone.
    torch.manual_seed(zlib.crc32(f"{job.seed}/{job.stage}/losses".encode()))
    built = LossSet.build(losses, plan.loss_context())
    model.use_losses(built.functions, built.needs)
    try:
        with _activation_checkpointing(model, settings.activation_checkpointing):
            job.strategy.prepare(model, parameter_groups(model, settings, built.penalty), settings.precision)
            report = _Loop(job, settings, plan, built).run()
    finally:
        model.use_losses({}, ())
    model.eval()
    return report


class _Loop:
    def __init__(self, job: TrainContext, settings: Settings, plan: Plan, losses: LossSet) -> None:
        self.job = job
        self.settings = settings
        self.since = time.monotonic()
        self.progress = self._resumed()
        self.plan = plan
        self.total = plan.total
        self.updater = Updater(job, settings, losses)

    def run(self) -> TrainReport:
        progress = self.progress
        if not progress.stopped_early:
            self._train()
        self._restore_best()
        self._count_seconds()
        return TrainReport(
            steps=progress.step,
            epochs=self.plan.epochs(progress.step),
            seconds=progress.seconds,
            best=_report(progress.best),
            stopped_early=progress.stopped_early,
        )

    def _resumed(self) -> Progress:
        if not self.job.resume:
            return Progress()
        progress = load_checkpoint(self.job.folder, self.job.strategy, self.job.say) or Progress()
        self.job.rewind(progress.step)
        return progress

    def _train(self) -> None:
        progress = self.progress
        with StopRequest() as stop:
            for turn in self.plan.turns(progress.step):
                self._take(turn)
                last = progress.step == self.total
                if self._wants_look(turn, last):
                    progress.stopped_early = self._look(turn.epochs)
                asked = self._asked(stop)
                due = turn.ends_epoch or progress.step % self.settings.checkpoint_every == 0 or progress.stopped_early
                if asked or (due and not last):
                    self._count_seconds()
                    save_checkpoint(self.job.folder, self.job.strategy, progress)
                if asked:
                    raise Stopped(
                        f"stopped in stage {self.job.stage!r} at step {progress.step} of {self.total}; "
                        "--resume goes on",
                        asked,
                    )
                if progress.stopped_early:
                    break

    def _asked(self, stop: StopRequest) -> int:
        """The signal that asked any of the processes to stop, or 0: all stop behind the same step."""
        counts = self.job.strategy.sums([float(stop.asked == number) for number in SIGNALS])
        return next((number for number, count in zip(SIGNALS, counts, strict=True) if count), 0)

    def _take(self, turn: ScheduledStep) -> None:
        job, settings, progress = self.job, self.settings, self.progress
        began = time.monotonic()
        scale = lr_scale(progress.step, self.total, settings)
        taken = self.updater.take(turn.step, progress.step, turn.epoch, scale)
        progress.step += 1
        speed = taken.prompts / (time.monotonic() - began)
        job.log(
            {
                "event": "step",
                "stage": job.stage,
                "step": progress.step,
                "epoch": round(turn.epochs, 4),
                "loss": taken.loss,
                "losses": taken.losses,
                "lr": settings.lr * scale,
                "grad_norm": taken.norm,
                "utterances_per_second": speed,
                "tokens": taken.tokens,
            }
        )
        line = f"epoch {turn.epoch + 1}/{settings.epochs}  loss {taken.loss:.3f}  {speed:.1f} utterances/s"
        job.progress(progress.step / self.total, line)

    def _wants_look(self, turn: ScheduledStep, last: bool) -> bool:
        every = self.settings.evaluate_every
        if self.job.evaluate is None:
            return False
        return turn.ends_epoch if every is None else last or self.progress.step % every == 0

    def _look(self, epochs: float) -> bool:
        """Evaluate on dev, keep the state if it is the best so far; true when training should stop early."""
        job, progress, name = self.job, self.progress, self.settings.select_by
        assert job.evaluate is not None
        job.model.eval()
        metrics = job.evaluate()
        value = _metric(metrics, name, job.stage)
        plain = {n: v for n, v in metrics.items() if isinstance(v, (int, float))}
        epoch = round(epochs, 4)
        job.log({"event": "dev", "stage": job.stage, "step": progress.step, "epoch": epoch, "metrics": plain})
        if progress.best is None or value > progress.best.value:
            progress.looks_without_better = 0
            state = job.strategy.state()
            sha256 = save_best(job.folder, state, progress.step) if job.strategy.first else ""
            progress.best = Best(name, value, progress.step, epoch, sha256)
            job.strategy.barrier()
        else:
            progress.looks_without_better += 1
        return self.settings.patience is not None and progress.looks_without_better >= self.settings.patience

    def _restore_best(self) -> None:
        best = self.progress.best
        if best is not None and best.step != self.progress.step:
            self.job.strategy.restore(load_best(self.job.folder, best.step))

    def _count_seconds(self) -> None:
        now = time.monotonic()
        self.progress.seconds += now - self.since
        self.since = now


def _report(best: Best | None) -> dict[str, Any] | None:
    """What the stage's report keeps of its best look at dev."""
    return None if best is None else {name: value for name, value in asdict(best).items() if name != "sha256"}


def _metric(metrics: Mapping[str, Any], name: str, stage: str) -> float:
    value: Any = metrics
    for key in name.split("."):  # a metric of a plugin has its numbers under its own name
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, (int, float)):
        return float(value)
    numbers = [n for n, v in metrics.items() if isinstance(v, (int, float))]
    raise MercError(
        f"stages.{stage}.trainer.select_by: there is no dev metric {name!r}; there are: {', '.join(numbers)}"
    )


def _check_precision(model: EmotionModel, settings: Settings, stage: str) -> None:
    if settings.precision == "float32" and model.base.dtype != torch.float32:
        held = str(model.base.dtype).removeprefix("torch.")
        raise MercError(
            f"stages.{stage}.trainer.precision: float32 can't be computed with a backbone held in {held}; "
            "set backbone.dtype=float32, or precision=model to compute in the backbone's"
        )


@contextmanager
def _activation_checkpointing(model: EmotionModel, wanted: bool) -> Iterator[None]:
    """Compute activations again in the backward pass in place of keeping them, while the block lasts."""
    if not wanted:
        yield
        return
    # Later versions of transformers 5 give it another name, and warn about the old one.
    name = "activation" if hasattr(model.base, "activation_checkpointing_enable") else "gradient"
    getattr(model.base, f"{name}_checkpointing_enable")({"use_reentrant": False})
    try:
        yield
    finally:
        getattr(model.base, f"{name}_checkpointing_disable")()
