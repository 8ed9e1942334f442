"""Demonstrations that are like the query and unlike each other: a determinantal point process, and max-min."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import merc

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Spread(merc.Selector):
    """``k`` labelled utterances of those most like the query, chosen so that they are unlike each other."""

    embedder: str | None
    """A registered text encoder by name, with its own defaults; null compares by streams alone."""
    k: int = 4
    """How many demonstrations."""
    candidates: int = 50
    """How many of the most similar utterances they are chosen from, at most."""
    streams: tuple[str, ...] = ()
    """Encoders of the recipe that utterances are compared by as well."""
    weight: float = 0.5
    """The embedder's share of the similarity beside streams."""
    history: int | None = None
    """How many utterances before the target the embedder reads with it; null is all, 0 the target alone."""
    index: Literal["auto", "flat", "hnsw", "ivf"] = "auto"
    """How the pool is searched: flat is exact, auto goes by the size."""
    distinct: Literal["conversations", "utterances"] = "conversations"
    """``conversations`` takes at most one utterance of a conversation, the most similar."""
    order: Literal["nearest-last", "nearest-first", "chosen"] = "nearest-last"
    """In which order they are shown."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k counts from 1, not {self.k}")
        if self.candidates < self.k:
            raise ValueError(f"candidates: {self.candidates} are too few to choose k: {self.k} of")
        self.comparison()

    def comparison(self) -> merc.Similarity:
        """What is compared."""
        return merc.Similarity(
            embedder=self.embedder, streams=self.streams, weight=self.weight, history=self.history, index=self.index
        )

    @abstractmethod
    def spread(self, likeness: Vectors, alike: Vectors) -> list[int]:
        """``k`` of the candidates in the order in which they are chosen, from their similarities to the query ``[n]``
        and to each other ``[n, n]``."""

    def load(self, pool: merc.Pool) -> Any:
        """Nothing more than the pool is needed."""

        def select(queries: Sequence[merc.Query], vectors: Vectors | None, draw: int) -> list[list[int]]:
            assert vectors is not None
            return [self._chosen(pool, query, vector) for query, vector in zip(queries, vectors, strict=True)]

        return select

    def _chosen(self, pool: merc.Pool, query: merc.Query, vector: Vectors) -> list[int]:
        if not vector.any():  # there is nothing to compare by
            order = list(range(len(pool)))
            random.Random(f"{pool.seed}/demonstrations/{query.target.id}").shuffle(order)
            return self._enough(self._allowed(pool, query, order, self.k), query)
        places = self._enough(self._near(pool, query, vector), query)
        own = pool.vectors(places)
        likeness = own @ vector
        chosen = self.spread(likeness, own @ own.T)
        if self.order != "chosen":
            chosen = sorted(chosen, key=lambda at: float(likeness[at]), reverse=self.order == "nearest-first")
        return [places[at] for at in chosen]

    def _near(self, pool: merc.Pool, query: merc.Query, vector: Vectors) -> list[int]:
        """The candidates, most similar first."""
        width = 2 * self.candidates + 8
        while True:
            _, places = pool.nearest(vector[None], width)
            nearest = self._allowed(pool, query, places[0].tolist(), self.candidates)
            if len(nearest) == self.candidates or width >= len(pool):
                return nearest
            width *= 4

    def _allowed(self, pool: merc.Pool, query: merc.Query, places: Sequence[int], count: int) -> list[int]:
        """The first ``count`` places that a query may be shown."""
        allowed: list[int] = []
        seen = {query.conversation.id}
        for place in places:
            talk = pool.queries[place].conversation.id
            if place >= 0 and talk not in seen and len(allowed) < count:
                allowed.append(place)
                seen |= {talk} if self.distinct == "conversations" else set()
        return allowed

    def _enough(self, places: list[int], query: merc.Query) -> list[int]:
        if len(places) < self.k:
            of = "conversations other than its own" if self.distinct == "conversations" else "utterances"
            raise merc.MercError(
                f"k: {self.k} wants more demonstrations than there are for {query.target.id!r}: the train split has "
                f"labelled utterances of {len(places)} {of}; lower k"
            )
        return places


@dataclass(frozen=True, kw_only=True)
class Determinantal(Spread):
    """Demonstrations by a determinantal point process (Kulesza and Taskar, 2012) over the utterances most like the
    query: the set S for which det(L_S) is largest, found greedily (Chen et al., 2018), with L_ij = q_i s_ij q_j, where
    s_ij is how alike two candidates are and q_i = exp(``relevance`` · similarity to the query / 2)."""

    relevance: float = 2.0
    """What similarity to the query counts beside diversity, from 0, which is diversity alone, to 100."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.relevance <= 100:
            raise ValueError(f"relevance is from 0 to 100, not {self.relevance:g}")

    def spread(self, likeness: Vectors, alike: Vectors) -> list[int]:
        """Each next one is that which makes the determinant largest."""
        quality = np.exp(0.5 * self.relevance * likeness.astype(np.float64))
        kernel = quality[:, None] * alike.astype(np.float64) * quality[None]
        # Rows of the Cholesky factor of what is chosen: what is left of a diagonal is by how much it would grow.
        rows = np.zeros((0, len(kernel)))
        left = kernel.diagonal().copy()
        chosen: list[int] = []
        while len(chosen) < self.k:
            left[chosen] = -np.inf
            best = int(np.argmax(left))
            if left[best] < 1e-9:  # all that are left lie in the span of the chosen: the nearest go on
                others = [at for at in np.argsort(-likeness, kind="stable").tolist() if at not in chosen]
                return [*chosen, *others[: self.k - len(chosen)]]
            row = (kernel[best] - rows[:, best] @ rows) / np.sqrt(left[best])
            rows = np.vstack([rows, row])
            left = left - row**2
            chosen.append(best)
        return chosen


@dataclass(frozen=True, kw_only=True)
class MaxMin(Spread):
    """Demonstrations by a max-min objective over the utterances most like the query: the most similar first, then one
    after the other the one with the highest ``balance`` · similarity to the query + (1 − ``balance``) · distance (1 −
    similarity) to the nearest one that is chosen already."""

    balance: float = 0.5
    """What similarity to the query counts beside distance to the ones that are chosen, from 0 to 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.balance <= 1:
            raise ValueError(f"balance is from 0 (unlike each other) to 1 (like the query), not {self.balance}")

    def spread(self, likeness: Vectors, alike: Vectors) -> list[int]:
        """Each next one is that with the highest objective."""
        chosen = [int(np.argmax(likeness))]
        while len(chosen) < self.k:
            distance = (1 - alike[:, chosen]).min(1)
            worth = self.balance * likeness + (1 - self.balance) * distance
            worth[chosen] = -np.inf
            chosen.append(int(np.argmax(worth)))
        return chosen
