"""The contract of selectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from merc.components import Pool, Query, Selector, Vectors
from merc.conversation import Conversation, LabelSpace
from merc.errors import MercError
from merc.testing import samples
from merc.testing.contract import ComponentContract, require

DIM = 6


class SelectorContract(ComponentContract):
    """What a selector must keep. Override ``conversations`` where the samples don't suit it (an id that it names)."""

    kind = "selector"
    component: ClassVar[Selector]
    labels: ClassVar[LabelSpace] = samples.LABELS
    """The label space, which all utterances of ``conversations`` have labels of."""

    def conversations(self) -> list[Conversation]:
        """The labelled conversations of the train split."""
        talk = samples.conversation()
        return [
            replace(
                talk,
                id=f"talk{n}",
                utterances=tuple(
                    replace(u, id=f"talk{n}_u{i}", text=f"{u.text} {n}") for i, u in enumerate(utterances)
                ),
            )
            for n, utterances in enumerate([talk.utterances[:2], *[talk.utterances] * 8, talk.utterances[1:]])
        ]

    def pool(self) -> Pool:
        """The labelled utterances, with vectors of length 1 where the selector compares."""
        queries = _queries(self.conversations(), self.labels)
        return Pool(queries, seed=3, vectors=self._vectors(queries))

    def queries(self) -> list[Query]:
        """Queries of the train split, and of a conversation that is not in it."""
        new = replace(samples.conversation(), id="new", split="test")
        new = replace(new, utterances=tuple(replace(u, id=f"new_u{i}") for i, u in enumerate(new.utterances)))
        return _queries([*self.conversations(), new], self.labels)

    def chosen(self, draw: int = 0, queries: Sequence[Query] | None = None) -> list[list[int]]:
        """What it gives, checked for its form."""
        queries = self.queries() if queries is None else list(queries)
        pool = self.pool()
        lists = self.component.load(pool)(queries, self._vectors(queries), draw)
        require(
            len(lists) == len(queries), f"{self.title} gives {len(lists)} lists of places for {len(queries)} queries"
        )
        for query, places in zip(queries, lists, strict=True):
            for place in places:
                require(
                    isinstance(place, int | np.integer) and 0 <= place < len(pool),
                    f"{self.title} gives {place!r} for {query.target.id!r}; a place is a whole number from 0 to "
                    f"{len(pool) - 1}, an index into pool.queries",
                )
        return [[int(place) for place in places] for places in lists]

    def test_no_query_is_shown_its_own_conversation(self) -> None:
        """Not even where the query is of the train split."""
        pool = self.pool()
        for draw in range(self.component.draws()):
            for query, places in zip(self.queries(), self.chosen(draw), strict=True):
                own = [p for p in places if pool.queries[p].conversation.id == query.conversation.id]
                require(
                    not own,
                    f"{self.title} gives {query.target.id!r} a demonstration from its own conversation; leave out "
                    "places whose pool.queries[place].conversation.id is the query's",
                )

    def test_nothing_is_shown_twice(self) -> None:
        """The places of a query differ."""
        for query, places in zip(self.queries(), self.chosen(), strict=True):
            require(len(set(places)) == len(places), f"{self.title} gives {query.target.id!r} a place twice: {places}")

    def test_same_query_gives_same_places(self) -> None:
        """Again, and in any company: what is random comes from the pool's seed and the draw."""
        for draw in range(self.component.draws()):
            together = self.chosen(draw)
            require(
                together == self.chosen(draw),
                f"{self.title} gives other places the second time; take what is random from pool.seed",
            )
            for query, places in zip(self.queries(), together, strict=True):
                require(
                    self.chosen(draw, [query]) == [places],
                    f"the places that {self.title} gives {query.target.id!r} depend on the queries beside it",
                )

    def test_the_label_of_a_query_does_not_count(self) -> None:
        """Else demonstrations would tell what is to be recognised."""
        queries = self.queries()
        bare = [
            replace(
                query,
                conversation=replace(
                    query.conversation,
                    utterances=tuple(replace(u, label=None) for u in query.conversation.utterances),
                ),
            )
            for query in queries
        ]
        require(
            self.chosen(queries=queries) == self.chosen(queries=bare),
            f"{self.title} gives other places when the query's labels are taken away; it must not look at them",
        )

    def test_draws_count_from_one(self) -> None:
        """There is at least one draw."""
        draws = self.component.draws()
        require(isinstance(draws, int) and draws >= 1, f"draws() gives {draws!r}; it counts from 1")

    def test_a_pool_too_small_is_a_mistake_of_the_user(self) -> None:
        """MercError, or fewer places; no other exception."""
        queries = _queries(self.conversations()[:1], self.labels)
        try:
            lists = self.component.load(Pool(queries, vectors=self._vectors(queries)))(
                queries, self._vectors(queries), 0
            )
        except MercError:
            return
        except Exception as error:
            raise AssertionError(
                f"{self.title} fails where there is nothing to show: {type(error).__name__}: {error}; raise "
                "merc.MercError with one sentence, or give fewer places"
            ) from error
        require(not any(map(len, lists)), f"{self.title} shows a query its own conversation where there is no other")

    def _vectors(self, queries: Sequence[Query]) -> Vectors | None:
        if self.component.comparison() is None:
            return None
        vectors = [np.random.default_rng(list(query.target.text.encode())).normal(size=DIM) for query in queries]
        return np.array([one / np.linalg.norm(one) for one in vectors], np.float32).reshape(-1, DIM)


def _queries(conversations: Sequence[Conversation], labels: LabelSpace) -> list[Query]:
    return [Query(conversation=c, index=i, labels=labels) for c in conversations for i in range(len(c.utterances))]
