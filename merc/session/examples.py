"""What a stage learns from in an epoch: the queries of its tasks, how much of each, and which."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from merc.components import Example, Prompter, Query
from merc.recipe import Stage, Task
from merc.session.data import Data
from merc.session.demonstrations import Demonstrations, draws_of
from merc.session.label_history import with_gold
from merc.session.segmentation import chosen_queries

T = TypeVar("T")
Only = Callable[[Query], bool] | None
"""Which queries a stage learns from; ``None``: those that its prompter can teach."""


def examples(
    stage: Stage, data: Data, demonstrations: Demonstrations | None = None, epoch: int = 0, only: Only = None
) -> list[list[Example]]:
    """What an epoch (from 0) of a stage learns from: by task, what its prompter asks of a conversation is one group.
    What a task asks ``beside`` the first is in the group that the first asks about the same conversation."""
    every = [task_queries(task, data, demonstrations, epoch, only) for task in stage.tasks]
    gathered: list[list[Example]] = []
    asked_beside: dict[tuple[str, str], list[Example]] = {}
    first: list[list[Example]] = []
    for task, groups, amount in zip(stage.tasks, every, epoch_amounts(stage, every), strict=True):
        prompter = _prompter(task)
        some = groups if task.share is None else drawn(groups, amount, epoch, f"{data.seed}/{stage.id}/{task.path}")
        own = [[Example(query, prompter) for query in group] for group in some]
        if task.beside:
            for group in own:
                asked_beside.setdefault(group[0].query.segment, []).extend(group)
            continue
        first = first or own
        gathered += own
    for group in first:
        group += asked_beside.get(group[0].query.segment, ())
    return gathered


def task_queries(
    task: Task, data: Data, demonstrations: Demonstrations | None = None, epoch: int = 0, only: Only = None
) -> list[list[Query]]:
    """The queries of a task's data that its prompter can teach, or those that ``only`` is true for, grouped by
    conversation, with the demonstrations whose turn it is in an epoch."""
    groups = chosen_queries(task.data, data, only or _prompter(task).has_target)
    if demonstrations is not None:
        groups = demonstrations.fill(task.demonstrations, f"{task.path}.demonstrations", groups, turn=epoch)
    return with_gold(groups) if task.data.label_history else groups


def all_queries(task: Task, data: Data, demonstrations: Demonstrations | None, only: Only = None) -> list[list[Query]]:
    """The same with every demonstration that it will come to see, however many epochs there are."""
    epochs = range(draws_of(task.demonstrations))
    return [group for epoch in epochs for group in task_queries(task, data, demonstrations, epoch, only)]


def epoch_amounts(stage: Stage, every: Sequence[Sequence[object]]) -> list[int]:
    """How many groups of each task an epoch has, from all that each has; of one beside the first, its share."""
    sizes = [len(groups) for groups in every]
    apart = [number for number, task in enumerate(stage.tasks) if not task.beside]
    divided = dict(zip(apart, amounts([sizes[n] for n in apart], [stage.tasks[n].share for n in apart]), strict=True))
    own = [round(size * (task.share or 1)) for size, task in zip(sizes, stage.tasks, strict=True)]
    return [divided.get(number, own[number]) for number in range(len(sizes))]


def amounts(sizes: Sequence[int], shares: Sequence[float | None]) -> list[int]:
    """How many groups (conversations) of each task an epoch has.

    Without shares it is all of each. With shares (all above 0; what they add up to does not matter) an epoch is as long
    as without, divided by them; what rounding leaves goes to the largest remainders, the first of equals. A task that
    has something to teach has at least one group.

    >>> amounts([100, 20], [None, None])
    [100, 20]
    >>> amounts([100, 20], [1, 3])
    [30, 90]
    """
    stated = [share for share in shares if share is not None]
    if len(stated) < len(shares):
        return list(sizes)
    weights = [share if size else 0.0 for size, share in zip(sizes, stated, strict=True)]
    total, whole = sum(sizes), sum(weights)
    if not total:
        return [0] * len(sizes)
    exact = [total * weight / whole for weight in weights]
    counts = [max(math.floor(part), int(size > 0)) for part, size in zip(exact, sizes, strict=True)]
    order = sorted(range(len(sizes)), key=lambda i: (math.floor(exact[i]) - exact[i], i))
    for index in [i for i in order if sizes[i]][: max(0, total - sum(counts))]:
        counts[index] += 1
    return counts


def drawn(groups: Sequence[T], amount: int, epoch: int, seed: str) -> list[T]:
    """The ``amount`` groups that an epoch (from 0) takes of a task: none comes a second time before all came once, and
    an epoch goes on where the one before it stopped.

    >>> sorted(drawn("abc", 2, 0, "s") + drawn("abc", 2, 1, "s") + drawn("abc", 2, 2, "s"))
    ['a', 'a', 'b', 'b', 'c', 'c']
    """
    chosen: list[T] = []
    for place in range(epoch * amount, (epoch + 1) * amount):
        time, index = divmod(place, len(groups))
        if not chosen or index == 0:
            order = list(range(len(groups)))
            random.Random(f"{seed}/{time}").shuffle(order)
        chosen.append(groups[order[index]])
    return chosen


def _prompter(task: Task) -> Prompter:
    assert isinstance(task.prompter.component, Prompter)
    return task.prompter.component
