"""The selectors that merc brings: named, drawn, drawn by label, nearest, and different from each other."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from merc.builtin.indices import Distinct, Order, arranged, check_size, enough, nearest, others, shuffled
from merc.components import IndexKind, Pool, Query, SelectFunction, Selector, Similarity, Vectors
from merc.errors import MercError, did_you_mean, first_names

Draw = Callable[[Query, int | str], list[int]]
"""Indices for a query and the name of a draw."""


@dataclass(frozen=True, kw_only=True)
class Fixed(Selector):
    """The same named utterances of the train split for every prompt."""

    ids: tuple[str, ...]
    """The ids of the utterances. Those after the first ``k`` stand in for those of a query's own conversation, which is
    never shown to it."""
    k: int | None = None
    """How many of them are shown, the first; null shows all."""
    order: Literal["drawn", "label"] = "drawn"
    """The order in the prompt: as they are named (``drawn``), or by the order of the label space (``label``)."""

    def __post_init__(self) -> None:
        if not self.ids:
            raise ValueError("ids names no utterance; for no demonstrations write demonstrations: null")
        if twice := next((one for one in self.ids if self.ids.count(one) > 1), None):
            raise ValueError(f"ids names {twice!r} twice")
        if self.k is not None and not 1 <= self.k <= len(self.ids):
            raise ValueError(f"k is from 1 to the number of ids, {len(self.ids)}, not {self.k}")

    def load(self, pool: Pool) -> SelectFunction:
        """Look the ids up. Raises MercError for one that is no labelled utterance of the pool."""
        place_of = {query.target.id: place for place, query in enumerate(pool.queries)}
        unknown = [one for one in self.ids if one not in place_of]
        if unknown:
            are = "is" if len(unknown) == 1 else "are"
            raise MercError(
                f"ids: {len(unknown)} of {len(self.ids)} {are} no labelled utterance of the train split: "
                f"{first_names([*map(repr, unknown)])}."
                f"{did_you_mean(unknown[0], place_of)} Its ids are such as {next(iter(place_of))!r}"
            )
        places = [place_of[one] for one in self.ids]
        count = len(places) if self.k is None else self.k

        def select(queries: Sequence[Query], vectors: Vectors | None, draw: int) -> list[list[int]]:
            return [arranged(others(places, pool, q, count, "utterances"), self.order, pool) for q in queries]

        return select


@dataclass(frozen=True, kw_only=True)
class Random(Selector):
    """Labelled utterances that are drawn at random."""

    k: int = 7
    """How many utterances are shown."""
    sets: int | None = 1
    """How many different draws there are: training takes them in turn, evaluation uses the first. null draws anew for
    every query, which shares nothing between prompts."""
    distinct: Distinct = "conversations"
    """``conversations`` shows at most one utterance of a conversation."""
    order: Literal["drawn", "label"] = "drawn"
    """The order in the prompt: as they are drawn (``drawn``), or by the order of the label space (``label``)."""

    def __post_init__(self) -> None:
        _counts(k=self.k, sets=self.sets)

    def draws(self) -> int:
        """``sets``."""
        return self.sets or 1

    def load(self, pool: Pool) -> SelectFunction:
        """Nothing is got ready: a draw is shuffled as far as it is needed. Raises MercError for too small a pool."""
        check_size(pool, self.k, self.distinct)
        drawn = self._drawing(pool)

        def select(queries: Sequence[Query], vectors: Vectors | None, draw: int) -> list[list[int]]:
            chosen = [drawn(query, query.target.id if self.sets is None else draw) for query in queries]
            return [
                arranged(enough(places, self.k, pool, query, self.distinct), self.order, pool)
                for places, query in zip(chosen, queries, strict=True)
            ]

        return select

    def _drawing(self, pool: Pool) -> Draw:
        return drawing(pool, self.k, self.distinct)


def drawing(pool: Pool, k: int, distinct: Distinct) -> Draw:
    """``k`` places at random. A place of the query's own conversation is passed over, and one more is drawn."""

    def draw(query: Query, which: int | str) -> list[int]:
        order = shuffled(range(len(pool)), random.Random(f"{pool.seed}/demonstrations/{which}"))
        return others(order, pool, query, k, distinct)

    return draw


@dataclass(frozen=True, kw_only=True)
class Balanced(Random):
    """``k`` utterances drawn at random, each label as often as the others: one of each in turn, the labels in an order
    that is drawn too. A label of which the train split has no more utterances is passed over.

    ``sets``, ``distinct`` and ``order`` are those of ``random``.
    """

    def _drawing(self, pool: Pool) -> Draw:
        by_label: dict[str, list[int]] = {}
        for place, labelled in enumerate(pool.queries):
            by_label.setdefault(str(labelled.target.label), []).append(place)

        def draw(query: Query, which: int | str) -> list[int]:
            labels = sorted(by_label)
            random.Random(f"{pool.seed}/demonstrations/{which}").shuffle(labels)
            # Each label has a chance of its own, so that what is passed over in one changes nothing in the others.
            orders = [
                shuffled(by_label[name], random.Random(f"{pool.seed}/demonstrations/{which}/{name}")) for name in labels
            ]
            drawn: list[int] = []
            seen = {query.conversation.id}
            while orders and len(drawn) < self.k:
                for order in list(orders):
                    place = next((p for p in order if pool.queries[p].conversation.id not in seen), None)
                    if place is None:
                        orders.remove(order)
                    elif len(drawn) < self.k:
                        drawn.append(place)
                        if self.distinct == "conversations":
                            seen.add(pool.queries[place].conversation.id)
            return drawn

        return draw


@dataclass(frozen=True, kw_only=True)
class Compared(Selector):
    """Labelled utterances that are chosen by what they are like. A query that has nothing to be compared by gets
    utterances that are drawn. See ``merc.Similarity``."""

    embedder: str | None
    """A registered text encoder that utterances are compared by; null compares by streams alone."""
    k: int = 7
    """How many utterances are shown."""
    streams: tuple[str, ...] = ()
    """The recipe's encoders that utterances are compared by as well."""
    weight: float = 0.5
    """The embedder's share of the similarity, from 0 to 1, where there are streams too."""
    history: int | None = None
    """How many utterances before the target the embedder reads with it; null is all, so that conversations are compared
    as far as the target, 0 the target alone."""
    index: IndexKind = "auto"
    """How the train split is searched: ``flat`` is exact, ``hnsw`` and ``ivf`` are approximate, ``auto`` goes by the
    size."""
    distinct: Distinct = "conversations"
    """``conversations`` shows at most one utterance of a conversation."""

    def __post_init__(self) -> None:
        _counts(k=self.k)
        self.comparison()

    def comparison(self) -> Similarity:
        """What is compared."""
        return Similarity(
            embedder=self.embedder,
            streams=self.streams,
            weight=self.weight,
            history=self.history,
            index=self.index,
        )

    def _near(self, pool: Pool, queries: Sequence[Query], vectors: Vectors, count: int) -> list[list[int]]:
        """The ``count`` places most like each query; for one that has nothing to be compared by, none."""
        compared = [i for i, vector in enumerate(vectors) if vector.any()]
        near = nearest(pool, [queries[i] for i in compared], vectors[compared], count, self.distinct)
        nearest_of = dict(zip(compared, near, strict=True))
        return [nearest_of.get(i, []) for i in range(len(queries))]

    def _or_drawn(
        self, pool: Pool, queries: Sequence[Query], vectors: Vectors, near: list[list[int]]
    ) -> list[list[int]]:
        """``k`` places for each query, drawn for one that has nothing to be compared by."""
        draw = drawing(pool, self.k, self.distinct)
        return [
            enough(places if vector.any() else draw(query, query.target.id), self.k, pool, query, self.distinct)
            for places, query, vector in zip(near, queries, vectors, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class Retrieved(Compared):
    """The labelled utterances that are most like the query."""

    order: Order = "nearest-last"
    """The order in the prompt: ``nearest-last`` (next to the question), ``nearest-first``, ``label`` (by the order of
    the label space) or ``drawn`` (shuffled)."""

    def load(self, pool: Pool) -> SelectFunction:
        """Nothing more than the pool is needed. Raises MercError for too small a pool."""
        check_size(pool, self.k, self.distinct)

        def select(queries: Sequence[Query], vectors: Vectors | None, draw: int) -> list[list[int]]:
            assert vectors is not None
            chosen = self._or_drawn(pool, queries, vectors, self._near(pool, queries, vectors, self.k))
            if self.order == "drawn":
                chance = [random.Random(f"{pool.seed}/demonstrations/{query.target.id}") for query in queries]
                return [list(shuffled(places, one)) for places, one in zip(chosen, chance, strict=True)]
            return [arranged(places, self.order, pool, v) for places, v in zip(chosen, vectors, strict=True)]

        return select


@dataclass(frozen=True, kw_only=True)
class Diverse(Compared):
    """Labelled utterances that differ from each other.

    ``rule: relevance`` is maximal marginal relevance (Carbonell and Goldstein, 1998): of the utterances that are most
    like the query, one after the other the one with the highest ``balance`` · similarity to the query − (1 −
    ``balance``) · highest similarity to one that is chosen already. ``rule: max-min`` looks at no query: it begins with
    one that is drawn, and takes one after the other the one whose nearest chosen one is farthest away, in the whole
    train split.
    """

    rule: Literal["relevance", "max-min"] = "relevance"
    """How they are chosen: near to the query and unlike each other (``relevance``), or as unlike each other as can be
    (``max-min``)."""
    balance: float = 0.5
    """What nearness to the query counts beside difference, from 0 to 1, with ``rule: relevance``."""
    candidates: int = 50
    """How many of the utterances most like the query ``rule: relevance`` chooses among."""
    sets: int = 1
    """How many different beginnings ``rule: max-min`` has: training takes them in turn, evaluation uses the first."""
    order: Order = "drawn"
    """The order in the prompt: as they were chosen (``drawn``), ``nearest-last``, ``nearest-first``, or ``label``."""

    def __post_init__(self) -> None:
        _counts(k=self.k, sets=self.sets, candidates=self.candidates)
        if not 0 <= self.balance <= 1:
            raise ValueError(f"balance is from 0 (unlike each other) to 1 (like the query), not {self.balance}")
        if self.rule == "relevance" and self.candidates < self.k:
            raise ValueError(f"candidates: {self.candidates} are too few to choose k: {self.k} of")
        if self.rule == "relevance" and self.sets > 1:
            raise ValueError(f"sets: {self.sets} needs rule: max-min; relevance goes by the query and draws nothing")
        self.comparison()

    def draws(self) -> int:
        """``sets``."""
        return self.sets

    def load(self, pool: Pool) -> SelectFunction:
        """Nothing more than the pool is needed. Raises MercError for too small a pool."""
        check_size(pool, self.k, self.distinct)
        far = _Farthest(pool, self.k, self.distinct)

        def select(queries: Sequence[Query], vectors: Vectors | None, draw: int) -> list[list[int]]:
            assert vectors is not None
            if self.rule == "max-min":
                chosen = [enough(far.of(q, draw), self.k, pool, q, self.distinct) for q in queries]
            else:
                near = self._near(pool, queries, vectors, self.candidates)
                best = [self._relevant(pool, places, v) for places, v in zip(near, vectors, strict=True)]
                chosen = self._or_drawn(pool, queries, vectors, best)
            return [arranged(places, self.order, pool, v) for places, v in zip(chosen, vectors, strict=True)]

        return select

    def _relevant(self, pool: Pool, candidates: Sequence[int], vector: Vectors) -> list[int]:
        """Maximal marginal relevance over candidates."""
        own = pool.vectors(candidates)
        like_query, like_each = own @ vector, own @ own.T
        redundant = np.zeros(len(candidates), np.float32)
        left = np.ones(len(candidates), bool)
        chosen: list[int] = []
        while left.any() and len(chosen) < self.k:
            worth = self.balance * like_query - (1 - self.balance) * redundant
            best = int(np.argmax(np.where(left, worth, -np.inf)))
            left[best] = False
            redundant = np.maximum(redundant, like_each[best]) if chosen else like_each[best]
            chosen.append(best)
        return [int(candidates[i]) for i in chosen]


class _Farthest:
    """Farthest first: from a place that is drawn, each next one is that whose nearest chosen one is least like it."""

    def __init__(self, pool: Pool, k: int, distinct: Distinct) -> None:
        self.pool, self.k, self.distinct = pool, k, distinct
        self.conversations = np.array([query.conversation.id for query in pool.queries], dtype=object)
        self.known: dict[tuple[int, str | None], list[int]] = {}

    def of(self, query: Query, draw: int) -> list[int]:
        """The places for a query: everybody's, or others where its own conversation is among those."""
        own = query.conversation.id
        places = self._known(draw, None)
        return self._known(draw, own) if own in self.conversations[places] else places

    def _known(self, draw: int, without: str | None) -> list[int]:
        if (draw, without) not in self.known:
            self.known[draw, without] = self._walk(draw, self.conversations != without)
        return self.known[draw, without]

    def _walk(self, draw: int, left: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[int]:
        chance = random.Random(f"{self.pool.seed}/demonstrations/{draw}")
        first = next((place for place in shuffled(range(len(self.pool)), chance) if left[place]), None)
        chosen = [] if first is None else [first]
        like_chosen = np.full(len(self.pool), -np.inf, np.float32)
        every = self.pool.vectors(range(len(self.pool)))
        while chosen:
            left[chosen[-1]] = False
            if self.distinct == "conversations":
                left &= self.conversations != self.conversations[chosen[-1]]
            if len(chosen) == self.k or not left.any():
                break
            like_chosen = np.maximum(like_chosen, every @ every[chosen[-1]])
            chosen.append(int(np.argmin(np.where(left, like_chosen, np.inf))))
        return chosen


def _counts(**values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} counts from 1, not {value}")
