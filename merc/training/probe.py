"""A few steps of a stage in place of all of them, to know what all would take."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from merc.components import TrainReport
from merc.training.checkpoint import Best, Progress, load_best, save_best, save_checkpoint
from merc.training.context import StageContext
from merc.training.settings import Settings
from merc.training.steps import ScheduledStep, Step, StepSchedule
from merc.training.update import Updater

_FEWEST, _MOST = 5, 8
_FEWEST_WRITTEN = 2


@dataclass(frozen=True)
class Seconds:
    """A time on the clock, and the processor time that this process used in it."""

    wall: float = 0.0
    cpu: float = 0.0

    @staticmethod
    def now() -> Seconds:
        """The time since some moment, to be subtracted from a later one."""
        return Seconds(time.monotonic(), time.process_time())

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall - other.wall, self.cpu - other.cpu)

    def __mul__(self, times: float) -> Seconds:
        return Seconds(self.wall * times, self.cpu * times)


def summed(times: Iterable[Seconds]) -> Seconds:
    """All of them together."""
    return sum(times, Seconds())


def extrapolated(tried: Sequence[tuple[float, Seconds]], sizes: Sequence[float]) -> Seconds:
    """What pieces of work of these sizes take, from the times of some: by a line through them, or, where that would
    have work of no size cost less than nothing, in proportion to the sizes.

    >>> one, two, four = ((size, Seconds(1 + size, 1 + size)) for size in (1.0, 2.0, 4.0))
    >>> extrapolated([one, two, four], [10.0, 10.0])
    Seconds(wall=22.0, cpu=22.0)
    """
    total, count = sum(sizes), len(tried)
    mean = sum(size for size, _ in tried) / count
    average = summed(spent for _, spent in tried) * (1 / count)
    spread = sum((size - mean) ** 2 for size, _ in tried)

    def line(of: Callable[[Seconds], float]) -> float:
        slope = sum((size - mean) * of(spent) for size, spent in tried) / spread if spread and count > 2 else -1.0
        if slope < 0 or of(average) < slope * mean:
            slope = of(average) / mean if mean else 0.0
        return round(len(sizes) * (of(average) - slope * mean) + slope * total, 9)

    return Seconds(line(lambda spent: spent.wall), line(lambda spent: spent.cpu))


def spread_over(sizes: Sequence[float], count: int) -> list[int]:
    """``count`` places, or fewer, whose sizes stand for all of them: the middle of each of so many equal parts by size.

    >>> spread_over([5, 1, 4, 2, 3, 6], 3)
    [3, 2, 5]
    """
    order = sorted(range(len(sizes)), key=lambda at: sizes[at])
    count = min(count, len(order))
    return [order[int((part + 0.5) * len(order) / count)] for part in range(count)]


@dataclass(frozen=True, kw_only=True)
class StageEstimate:
    """What training a stage takes. ``steps`` is how many it has, ``tried`` how many were taken; ``training`` is of all
    of them, with putting their prompts together, ``checkpoint`` of one that is written, with the best state.
    ``evaluations`` on dev are counted, not timed. ``probe`` is what the probe itself took."""

    steps: int
    tried: int
    training: Seconds
    evaluations: int
    checkpoints: int
    checkpoint: Seconds
    probe: Seconds


@dataclass
class StepProbe:
    """Takes the largest step of a stage, for its memory, and some whose sizes stand for all, for their time, within
    about ``seconds``. ``estimates`` are those of the stages, one for each ``fit``."""

    seconds: float = 20.0
    estimates: list[StageEstimate] = field(default_factory=list)

    def take(self, context: StageContext, settings: Settings, schedule: StepSchedule, updater: Updater) -> TrainReport:
        """Take the steps, an evaluation and a checkpoint, and note what all of them would take."""
        began = Seconds.now()
        counts = schedule.counts
        steps, largest, building = self._steps(schedule, len(counts))
        sizes = [size_of(step) for step in steps]

        def taken(number: int, step: Step) -> Seconds:
            before = Seconds.now()
            ready = schedule.ready(ScheduledStep(step, 0, 0.0, ends_epoch=False), number)
            updater.take(ready, number, 0, lr_scale=0.0)
            return Seconds.now() - before

        # As in the run, large steps come when memory was cut up by others, and the first pays for what is done once. A
        # rollout is asked for steps in their order, and its first answers are work of every round.
        warm = [] if schedule.rollout is not None else [sorted(steps, key=size_of)[len(steps) // 2]]
        first = summed(taken(0, step) for step in warm)
        if schedule.rollout is None:
            count = max(_FEWEST, min(_MOST, int(self.seconds / max(first.wall, 1e-3))))
            places = spread_over(sizes, count)
            random.Random(context.seed).shuffle(places)
        else:
            places = list(range(min(len(steps), max(_FEWEST_WRITTEN, schedule.updates))))
        tried: list[tuple[float, Seconds]] = []
        for number, place in enumerate(places):
            tried.append((sizes[place], taken(len(warm) + number, steps[place])))
            context.progress((number + 1) / (len(places) + len(largest)), f"step of {sizes[place]:,} tokens")
        together = [*warm, *(steps[place] for place in places)]
        for step in largest:
            if all(step is not other for other in together):
                taken(len(together), step)
                together.append(step)
        training = extrapolated(tried, sizes) * (sum(counts) / len(steps))
        evaluations, checkpoints = _amounts(context, settings, schedule)
        checkpoint = _checkpoint(context, settings, evaluations)
        self.estimates.append(
            StageEstimate(
                steps=sum(counts),
                tried=len({id(step) for step in together}),
                training=training + building,
                evaluations=evaluations,
                checkpoints=checkpoints,
                checkpoint=checkpoint,
                probe=Seconds.now() - began,
            )
        )
        return TrainReport(steps=len(tried), epochs=0.0, seconds=0.0)

    def _steps(self, schedule: StepSchedule, epochs: int) -> tuple[list[Step], list[Step], Seconds]:
        """The steps of the first epoch, the largest of those that were looked at (by the tokens of a pass, and by those
        whose logits are computed), and what putting together those of all epochs takes."""
        before = Seconds.now()
        steps = schedule.epoch_steps(0)
        first = Seconds.now() - before
        if schedule.rollout is not None:
            return steps, [], first * epochs
        largest = {measure: max(steps, key=measure) for measure in (_longest_pass, _most_read)}
        looked, others = 1, Seconds()
        while looked < epochs and others.wall < self.seconds:
            before = Seconds.now()
            more = schedule.epoch_steps(looked)
            others += Seconds.now() - before
            largest = {measure: max([step, *more], key=measure) for measure, step in largest.items()}
            looked += 1
        if looked > 1:
            others *= (epochs - 1) / (looked - 1)
        return steps, list({id(step): step for step in largest.values()}.values()), first + others


def size_of(step: Step) -> int:
    """The tokens that a step computes; where a rollout writes them, its examples are counted."""
    if not step.micro:
        return sum(len(group) for group in step.examples)
    return sum(len(tree) for trees, _ in step.micro for tree in trees)


def _longest_pass(step: Step) -> int:
    return max(sum(len(tree) for tree in trees) for trees, _ in step.micro)


def _most_read(step: Step) -> int:
    return max(sum(len({n for *_, nodes in tree.paths for n in nodes}) for tree in trees) for trees, _ in step.micro)


def _amounts(context: StageContext, settings: Settings, schedule: StepSchedule) -> tuple[int, int]:
    """How many evaluations on dev a stage has that is not stopped early, and how many checkpoints are written."""
    total, every = schedule.total, settings.evaluate_every
    evaluations = 0
    if context.evaluate is not None:
        evaluations = len(schedule.counts) if every is None else total // every + bool(total % every)
    ends, at = set(), 0
    for count in schedule.counts:
        at += count
        ends.add(at)
    due = settings.checkpoint_every
    written = {step for step in range(schedule.updates, total, schedule.updates)
               if step in ends or step // due > (step - schedule.updates) // due}  # fmt: skip
    return evaluations, len(written)


def _checkpoint(context: StageContext, settings: Settings, evaluations: int) -> Seconds:
    """Evaluate once, and write and read what training does: gives the time of a checkpoint with a best state."""
    progress = Progress(step=1)
    if context.evaluate is not None:
        context.network.eval()
        context.evaluate()
    before = Seconds.now()
    if evaluations:
        sha256 = save_best(context.folder, context.strategy.state(), 1)
        progress.best = Best(settings.select_by, 0.0, 1, 1.0, sha256)
    save_checkpoint(context.folder, context.strategy, progress)
    spent = Seconds.now() - before
    if evaluations:
        context.strategy.restore(load_best(context.folder, 1))
    return spent
