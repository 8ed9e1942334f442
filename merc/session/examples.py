"""What a stage learns from in an epoch: the queries of its tasks, how much of each, and which."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from merc.components import Example, Prompter, Query
from merc.errors import MercError
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
    by_task = [
        [[Example(query, _prompter(task)) for query in group] for group in groups]
        for task, groups in zip(stage.tasks, epoch_groups(stage, every, data.seed, epoch), strict=True)
    ]
    # Groups that come twice in an epoch are asked beside once.
    first = {group[0].query.segment: group for group in reversed(by_task[0])}
    for task, groups in zip(stage.tasks, by_task, strict=True):
        for group in groups if task.beside else ():
            first[group[0].query.segment] += group
    return [group for task, groups in zip(stage.tasks, by_task, strict=True) if not task.beside for group in groups]


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


def epoch_groups(
    stage: Stage, every: Sequence[Sequence[list[Query]]], seed: int, epoch: int = 0
) -> list[list[list[Query]]]:
    """What an epoch has of each task, from all that each has. Of a task beside the first it is its share of the
    conversations that the first task has in the epoch."""
    apart = [number for number, task in enumerate(stage.tasks) if not task.beside]
    divided = amounts([len(every[n]) for n in apart], [stage.tasks[n].share for n in apart])
    count = dict(zip(apart, divided, strict=True))
    chosen: list[list[list[Query]]] = []
    for number, (task, groups) in enumerate(zip(stage.tasks, every, strict=True)):
        some, amount = list(groups), count.get(number, 0)
        if task.beside:
            there = {group[0].segment for group in chosen[0]}
            some = [group for group in some if group[0].segment in there]
            amount = round(len(some) * (task.share or 1))
        place = f"{seed}/{stage.id}/{task.path}"
        chosen.append(some if task.share is None else drawn(some, amount, epoch, place))
    return chosen


def without_partner(stage: Stage, every: Sequence[Sequence[list[Query]]]) -> dict[str, int]:
    """By the place of a task beside the first, how many of its conversations are none of the first task's, so that they
    are never asked about. Raises MercError for a task of which that is all."""
    there = {group[0].segment for group in every[0]}
    alone: dict[str, int] = {}
    for task, groups in zip(stage.tasks, every, strict=True):
        if task.beside and (lacking := sum(group[0].segment not in there for group in groups)):
            if lacking == len(groups):
                raise MercError(
                    f"{task.path}.beside: none of its {lacking} conversations is one that the first task learns from, "
                    "so it would never be asked; give both the same data (split, datasets, limit, segments), or take "
                    "beside out"
                )
            alone[task.path] = lacking
    return alone


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
