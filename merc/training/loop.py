"""The training loop: epochs of steps, evaluations on dev, checkpoints, the best state at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import Any

import torch

from merc.components import Loss, TrainContext, TrainReport
from merc.components.model import of_reference
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.precision import computed_in, other_precision
from merc.model.reference import keep_reference
from merc.training.averaging import MovingAverage, mean_of
from merc.training.checkpoint import Best, Progress, load_best, load_checkpoint, save_best, save_checkpoint
from merc.training.context import StageContext, stage_of
from merc.training.encoder_cost import note_encoders
from merc.training.interrupt import SIGNALS, Stopped, StopRequest
from merc.training.loss_set import LossSet
from merc.training.ready import made_ready
from merc.training.rollout import Rollout
from merc.training.schedule import lr_scale, warmup_note
from merc.training.settings import Settings
from merc.training.steps import ScheduledStep, StepSchedule
from merc.training.update import StepResult, Updater, parameter_groups


def fit(
    context: TrainContext,
    settings: Settings,
    losses: Sequence[Loss] = (),
    rollout: Rollout | None = None,
    updates: int = 1,
) -> TrainReport:
    """Train a stage to its end, from its checkpoint if the context says so, and leave the best state in the model.

    Args:
        context: What ``train`` was called with, or ``dataclasses.replace`` of it: with other ``examples``, say.
        settings: How to train.
        losses: What is made smaller, each times its weight; with none it is ``token-nll``.
        rollout: Called before each step with its examples, by conversation, and its number (from 0); gives what is
            learned in their place. It may ask ``context.model``, as it is then, and is called alike in every process.
        updates: How many steps, one after the other, a rollout is called for with the same examples, so that it may
            keep what it made at the first of them. Checkpoints are written, and training is stopped, after the last.

    Raises:
        MercError: Settings or losses do not fit the model, or a loss is no number.
        ValueError: ``updates`` is below 1, or above 1 without a rollout.
    """
    stage = stage_of(context)
    network = stage.network
    schedule, built = made_ready(stage, settings, losses, rollout, updates)
    if note := warmup_note(schedule.total, settings):
        stage.say(note)
    network.use_losses(built.functions, built.needs)
    needs = frozenset().union(*built.needs.values())
    if of_reference(needs) and (size := keep_reference(network)):
        stage.say(f"a copy of what learns, as it is before the stage, takes {size / 1e6:,.1f} MB")
    try:
        with _activation_checkpointing(network, settings.activation_checkpointing):
            precision = computed_in(settings.precision, network.device.type)
            if precision != settings.precision:
                stage.say(other_precision("trainer.precision", settings.precision, precision))
            stage.strategy.prepare(network, parameter_groups(network, settings, built.penalty), precision)
            loop = _Loop(stage, settings, schedule, built)
            report = loop.run() if stage.probe is None else stage.probe.take(stage, settings, schedule, loop.updater)
    finally:
        network.use_losses({}, {})
        network.before = None
    network.eval()
    return report


class _Loop:
    def __init__(self, context: StageContext, settings: Settings, schedule: StepSchedule, losses: LossSet) -> None:
        self.context = context
        self.settings = settings
        self.since = time.monotonic()
        self.average = None
        if settings.ema_decay is not None:
            learning = context.network.learning()
            self.average = MovingAverage(context.network, learning, settings.ema_decay, context.strategy)
        self.progress = self._resumed()
        self.schedule = schedule
        self.total = schedule.total
        self.updater = Updater(context, settings, losses)

    def run(self) -> TrainReport:
        progress = self.progress
        if not progress.stopped_early:
            note_encoders(self.context, self.schedule.first_epoch)
            self._train()
        self._note_uncounted()
        soup = self._mixed()
        if soup is None:
            self._restore_best()
        self._count_seconds()
        return TrainReport(
            steps=progress.step,
            epochs=self.schedule.epochs(progress.step),
            seconds=progress.seconds,
            best=_report(soup or progress.best),
            stopped_early=progress.stopped_early,
        )

    def _resumed(self) -> Progress:
        context = self.context
        if not context.resume:
            return Progress()
        progress = load_checkpoint(context.folder, context.strategy, context.say, self.average) or Progress()
        context.rewind(progress.step)
        return progress

    def _train(self) -> None:
        context, progress = self.context, self.progress
        note = "stopping: this step ends, and a checkpoint is written; once more stops at once, without a checkpoint"
        with StopRequest(note if context.strategy.first else "") as request:
            for scheduled in self.schedule.after(progress.step):
                self._take(scheduled)
                last = progress.step == self.total
                if self._evaluation_due(scheduled, last):
                    progress.stopped_early = self._evaluate(scheduled.epochs)
                if scheduled.goes_on and not progress.stopped_early:
                    continue  # what the step learned from is kept in memory alone
                stop = self._stop_signal(request)
                due = self._checkpoint_due(scheduled)
                if stop or ((due or progress.stopped_early) and not last):
                    self._count_seconds()
                    save_checkpoint(context.folder, context.strategy, progress, self.average)
                if stop:
                    raise Stopped(
                        f"stopped in stage {context.stage!r} at step {progress.step} of {self.total}; --resume goes on",
                        stop,
                    )
                if progress.stopped_early:
                    break

    def _checkpoint_due(self, scheduled: ScheduledStep) -> bool:
        """Whether ``checkpoint_every`` steps are done, or were since the last rollout, or an epoch is."""
        every, step = self.settings.checkpoint_every, self.progress.step
        return scheduled.ends_epoch or step // every > (step - self.schedule.updates) // every

    def _stop_signal(self, request: StopRequest) -> int:
        """The signal that asked any of the processes to stop, or 0: all stop after the same step."""
        counts = self.context.strategy.sums([float(request.signal == number) for number in SIGNALS])
        return next((number for number, count in zip(SIGNALS, counts, strict=True) if count), 0)

    def _take(self, scheduled: ScheduledStep) -> None:
        context, settings, progress = self.context, self.settings, self.progress
        started = time.monotonic()
        scale = lr_scale(progress.step, self.total, settings)
        step = self.schedule.ready(scheduled, progress.step)
        # Dropout depends on the seed and the step alone, so that a resumed run draws what an uninterrupted one draws.
        torch.manual_seed(context.seed_of(progress.step, context.strategy.rank))
        result = self.updater.take(step, progress.step, scheduled.epoch, scale)
        progress.step += 1
        if self.average is not None and result is not None:
            self.average.update(progress.step)
        seconds = time.monotonic() - started
        record = {
            "event": "step",
            "stage": context.stage,
            "step": progress.step,
            "epoch": round(scheduled.epochs, 4),
        }
        self._count(scheduled, result)
        if result is None:
            context.log({**record, "skipped": True, "seconds": seconds})
            return
        speed = result.prompts / seconds
        context.log(
            {
                **record,
                "loss": result.loss,
                "losses": result.losses,
                **({"measures": result.measures} if result.measures else {}),
                "lr": settings.lr * scale,
                "grad_norm": result.norm,
                "seconds": seconds,
                "utterances_per_second": speed,
                "tokens": result.tokens,
            }
        )
        line = f"epoch {scheduled.epoch + 1}/{settings.epochs}  loss {result.loss:.3f}  {speed:.1f} utterances/s"
        context.progress(progress.step / self.total, line)

    def _count(self, scheduled: ScheduledStep, result: StepResult | None) -> None:
        """Count the losses for which nothing of a step counts. Raises MercError after an epoch of which nothing counts
        for any: the next ones have the same examples, but where a rollout makes them."""
        progress, losses = self.progress, self.updater.losses.functions
        if scheduled.epoch == 0:
            progress.prompts += len(self.updater.counts)
            progress.unread += self.updater.counts.count(False)
        for name in losses if result is None else losses.keys() - result.losses.keys():
            progress.uncounted[name] = progress.uncounted.get(name, 0) + 1
        progress.skipped += result is None
        none = progress.skipped == progress.step and (scheduled.ends_epoch and self.schedule.rollout is None)
        if none or progress.skipped == self.total:
            raise MercError(
                f"stages.{self.context.stage}: there is nothing to learn: for the losses ({', '.join(losses)}) nothing "
                f"counts in {progress.skipped} of {progress.step} steps; look at what they count (the values of a "
                "head, labels, pairs), or give the trainer another loss"
            )

    def _note_uncounted(self) -> None:
        progress, context = self.progress, self.context
        if progress.skipped:
            context.say(f"stage {context.stage}: {progress.skipped} of {progress.step} steps had nothing that counts "
                        "for a loss and changed no weight")  # fmt: skip
        for name, count in progress.uncounted.items():
            if count > progress.skipped:
                context.say(f"stage {context.stage}: {count} of {progress.step} steps had nothing that counts for the "
                            f"loss {name}")  # fmt: skip
        if progress.unread > 0:
            context.say(f"stage {context.stage}: {progress.unread} of {progress.prompts} prompts of the first epoch "
                        f"count for no loss ({', '.join(self.updater.losses.functions)}), so nothing is learned of "
                        "them")  # fmt: skip

    def _evaluation_due(self, scheduled: ScheduledStep, last: bool) -> bool:
        every = self.settings.evaluate_every
        if self.context.evaluate is None:
            return False
        return scheduled.ends_epoch if every is None else last or self.progress.step % every == 0

    def _evaluate(self, epochs: float) -> bool:
        """Evaluate on dev, keep the state if it is the best so far; true when training should stop early."""
        progress, epoch = self.progress, round(epochs, 4)
        with nullcontext() if self.average is None else self.average.in_place():
            value = self._measured({"step": progress.step, "epoch": epoch})
            better = progress.best is None or value > progress.best.value
            if better or self._joins_soup(value):
                own = self._kept(value, epoch)
                progress.best = own if better else progress.best
                self._add_to_soup(own)
        progress.evaluations_without_better = 0 if better else progress.evaluations_without_better + 1
        patience = self.settings.patience
        return patience is not None and progress.evaluations_without_better >= patience

    def _measured(self, where: Mapping[str, Any]) -> float:
        """What the model as it is reaches on dev, by the metric that chooses; the log has all of it."""
        context = self.context
        assert context.evaluate is not None
        context.network.eval()
        metrics = context.evaluate()
        value = _metric(metrics, self.settings.select_by, context.stage)
        plain = {n: v for n, v in metrics.items() if isinstance(v, (int, float))} | {self.settings.select_by: value}
        context.log({"event": "dev", "stage": context.stage, **where, "metrics": plain})
        return value

    def _kept(self, value: float, epoch: float) -> Best:
        """The state of the model as it is, kept in a file."""
        context, step = self.context, self.progress.step
        state = context.strategy.state()
        sha256 = save_best(context.folder, state, step) if context.strategy.first else ""
        context.strategy.barrier()
        return Best(self.settings.select_by, value, step, epoch, sha256)

    def _joins_soup(self, value: float) -> bool:
        """Whether a state of this value is one of those that a soup is made of, so far."""
        settings, pool = self.settings, self.progress.pool
        if settings.soup is None:
            return False
        return settings.soup_of == "last" or len(pool) < settings.soup or value > min(one.value for one in pool)

    def _add_to_soup(self, own: Best) -> None:
        """Add a state to those of the soup, if it is one of them; the first of the worst, or the oldest, gives way."""
        settings, pool = self.settings, self.progress.pool
        if not self._joins_soup(own.value):
            return
        if len(pool) == settings.soup:
            pool.remove(pool[0] if settings.soup_of == "last" else min(pool, key=lambda one: one.value))
        pool.append(own)

    def _mixed(self) -> Best | None:
        """Put the mean of the soup's states into the model and give its evaluation, if it is better on dev than the
        best state of all evaluations, which need not be one of the soup."""
        context, best, pool = self.context, self.progress.best, self.progress.pool
        if best is None or len(pool) < 2:
            if self.settings.soup is not None and pool:
                context.say("soup: there was one evaluation, so nothing is averaged; more epochs, or evaluate_every, "
                            "give more")  # fmt: skip
            return None
        steps = tuple(one.step for one in pool)
        context.strategy.restore(mean_of([load_best(context.folder, step) for step in steps]))
        value = self._measured({"step": self.progress.step, "epoch": pool[-1].epoch, "soup": list(steps)})
        mean = f"the mean of the states after steps {', '.join(map(str, steps))} reaches {value:.4f} on dev"
        both = f"{mean}, the best state, after step {best.step}, {best.value:.4f}"
        if value <= best.value:
            context.say(f"{both}: the best state is kept")
            self._restore_best(always=True)
            return None
        context.say(f"{both}: the mean is kept")
        return replace(best, value=value, step=self.progress.step, epoch=pool[-1].epoch, sha256="", soup=steps)

    def _restore_best(self, always: bool = False) -> None:
        best = self.progress.best
        if best is None and self.average is not None:
            self.average.adopt()
        if best is not None and (always or self.average is not None or best.step != self.progress.step):
            self.context.strategy.restore(load_best(self.context.folder, best.step))

    def _count_seconds(self) -> None:
        now = time.monotonic()
        self.progress.seconds += now - self.since
        self.since = now


def _report(best: Best | None) -> dict[str, Any] | None:
    """What the stage's report keeps of its best evaluation on dev."""
    if best is None:
        return None
    return {name: value for name, value in asdict(best).items() if name != "sha256" and (name != "soup" or value)}


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


@contextmanager
def _activation_checkpointing(network: EmotionModel, enabled: bool) -> Iterator[None]:
    """Compute activations again in the backward pass in place of keeping them, while the block lasts."""
    if not enabled:
        yield
        return
    # Later versions of transformers 5 give it another name, and warn about the old one.
    name = "activation" if hasattr(network.base, "activation_checkpointing_enable") else "gradient"
    getattr(network.base, f"{name}_checkpointing_enable")(
        {"use_reentrant": False, "context_fn": network.inserted.contexts}
    )
    try:
        yield
    finally:
        getattr(network.base, f"{name}_checkpointing_disable")()
