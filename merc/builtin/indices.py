"""Indices of a pool: drawn, looked for, put in an order, counted."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from merc.components import Pool, Query, Vectors
from merc.errors import MercError

Order = Literal["nearest-last", "nearest-first", "label", "drawn"]
Distinct = Literal["conversations", "utterances"]


def shuffled(places: Sequence[int], chance: random.Random) -> Iterator[int]:
    """The places in a random order, each shuffled when it is asked for: the first few of a million cost little.

    >>> sorted(shuffled(range(4), random.Random(0)))
    [0, 1, 2, 3]
    """
    moved: dict[int, int] = {}
    for at in range(len(places)):
        taken = chance.randrange(at, len(places))
        index = moved.get(taken, taken)
        moved[taken] = moved.pop(at, at)
        yield places[index]


def others(places: Iterable[int], pool: Pool, query: Query, count: int, distinct: Distinct) -> list[int]:
    """The first ``count`` places that are not of the query's conversation and, if so wanted, of different ones."""
    chosen: list[int] = []
    seen = {query.conversation.id}
    for place in places:
        if len(chosen) == count:
            break
        conversation = pool.queries[place].conversation.id
        if conversation not in seen:
            chosen.append(place)
            if distinct == "conversations":
                seen.add(conversation)
    return chosen


def nearest(pool: Pool, queries: Sequence[Query], vectors: Vectors, count: int, distinct: Distinct) -> list[list[int]]:
    """For each query the ``count`` most similar places that it may be shown, most similar first; fewer where the pool
    has no more."""
    neighbours: list[list[int]] = [[] for _ in queries]
    waiting = list(range(len(queries)))
    width = 2 * count + 8
    while waiting:
        _, places = pool.nearest(vectors[waiting], width)
        for i, row in zip(waiting, places.tolist(), strict=True):
            neighbours[i] = others(row, pool, queries[i], count, distinct)
        waiting = [i for i in waiting if len(neighbours[i]) < count] if width < len(pool) else []
        width *= 4
    return neighbours


def arranged(places: Sequence[int], order: Order, pool: Pool, vector: Vectors | None = None) -> list[int]:
    """Indices in the order of a rule; ``drawn`` leaves them as they are, and so do rules of nearness where there is
    nothing to compare."""
    if order == "label":
        labelled = pool.queries  # each by its place in the label space of its own dataset
        return sorted(places, key=lambda place: labelled[place].labels.index(labelled[place].target.label or ""))
    if order == "drawn" or vector is None or not vector.any():
        return list(places)
    likeness = dict(zip(places, (pool.vectors(places) @ vector).tolist(), strict=True))
    return sorted(places, key=lambda place: likeness[place], reverse=order == "nearest-first")


def check_size(pool: Pool, k: int, distinct: Distinct) -> None:
    """Raise MercError for a pool that has fewer than ``k`` utterances to show."""
    conversations = len({query.conversation.id for query in pool.queries})
    there = conversations if distinct == "conversations" else len(pool)
    if there < k:
        raise MercError(
            f"k: {k} wants more demonstrations than there are: {_of(pool, distinct)}; lower k{_or(distinct)}"
        )


def enough(chosen: list[int], k: int, pool: Pool, query: Query, distinct: Distinct) -> list[int]:
    """The places, if they are ``k``. Raises MercError if not: the query's own conversation has the rest."""
    if len(chosen) < k:
        raise MercError(
            f"k: {k} wants more demonstrations than there are for {query.target.id!r}, whose own conversation is never "
            f"shown: {_of(pool, distinct)}; lower k{_or(distinct)}"
        )
    return chosen


def _of(pool: Pool, distinct: Distinct) -> str:
    conversations = len({query.conversation.id for query in pool.queries})
    each = ", and each demonstration comes from another one" if distinct == "conversations" else ""
    plural = "" if conversations == 1 else "s"
    return (
        f"the train split has {len(pool)} labelled utterance{'' if len(pool) == 1 else 's'} in {conversations} "
        f"conversation{plural}{each}"
    )


def _or(distinct: Distinct) -> str:
    return ", or set distinct: utterances" if distinct == "conversations" else ""
