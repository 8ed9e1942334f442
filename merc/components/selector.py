"""Selector: which labelled utterances stand in a prompt as demonstrations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from merc.components.base import Component
from merc.components.prompter import Query

Vectors = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
IndexKind = Literal["auto", "flat", "hnsw", "ivf"]


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """What utterances are compared by: the cosine of what encoders gave for them. ValueError where there is nothing to
    compare by, and for values outside their range."""

    embedder: str | None = None
    """A registered text encoder by name, with its own defaults."""
    streams: tuple[str, ...] = ()
    """Encoders of the recipe, by the names that they have there."""
    weight: float = 0.5
    """The share of the embedder beside streams, from 0 to 1; the streams have the rest in equal parts."""
    history: int | None = None
    """How many utterances before the target the embedder reads with it: ``None`` is all, so that conversations are
    compared as far as the target, and 0 the target alone."""
    index: IndexKind = "auto"
    """How the pool is searched: ``flat`` is exact, ``hnsw`` and ``ivf`` are quicker in large pools, and ``auto`` goes
    by the size."""

    def __post_init__(self) -> None:
        if self.embedder is None and not self.streams:
            raise ValueError("there is nothing to compare by: name an embedder (a text encoder), or streams, or both")
        if len(set(self.streams)) != len(self.streams):
            raise ValueError(f"streams names each encoder once, not {list(self.streams)}")
        if not 0 <= self.weight <= 1:
            raise ValueError(f"weight is the share of the words, from 0 to 1, not {self.weight}")
        if self.history is not None and self.history < 0:
            raise ValueError(f"history counts utterances from 0, not {self.history}")


class Pool:
    """What a selector chooses from: the labelled utterances of the train split, in the corpus's order.

    A *place* is an index into ``queries``. Where the selector compares, every place has a vector, and the inner product
    of two of them is their similarity, the weighted mean of the cosines; what one of the two lacks counts 0.

    Args:
        queries: The labelled utterances.
        seed: The run's.
        vectors: ``[places, dim]``, each of length 1 or below; None where the selector does not compare.

    >>> pool = Pool([], vectors=np.array([[1, 0], [0, 1]], "float32"))
    >>> similarities, places = pool.nearest(np.array([[0, 1]], "float32"), 1)
    >>> similarities.tolist(), places.tolist()
    ([[1.0]], [[1]])
    """

    def __init__(self, queries: Sequence[Query], seed: int = 0, vectors: Vectors | None = None) -> None:
        self.queries = tuple(queries)
        self.seed = seed
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self.queries)

    def vectors(self, places: Sequence[int] | Indices) -> Vectors:
        """The vectors ``[places, dim]``."""
        assert self._vectors is not None, "a selector that says no comparison() has no vectors"
        return self._vectors[np.asarray(places, np.int64)]

    def nearest(self, vectors: Vectors, count: int) -> tuple[Vectors, Indices]:
        """The most similar places.

        Args:
            vectors: ``[n, dim]``: what places are to be similar to.
            count: How many places each wants.

        Returns:
            Similarities and places, both ``[n, min(count, size of the pool)]``, most similar first and, of equals, the
            first in the corpus.
        """
        assert self._vectors is not None, "a selector that says no comparison() has no vectors"
        scores = vectors @ self._vectors.T
        places = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(scores, places, 1), places


SelectFunction = Callable[[Sequence[Query], "Vectors | None", int], Sequence[Sequence[int]]]
"""Takes queries, their vectors ``[n, dim]`` (``None`` where nothing is compared; a row of zeros is a query that has
nothing to be compared by) and the number of a draw from 0; gives for each query places of the pool, in the order in
which they are to be shown."""


@dataclass(frozen=True, kw_only=True)
class Selector(Component):
    """Chooses the demonstrations of a query from the labelled utterances of the train split.

    It never gives an utterance of the query's own conversation (merc sees to that), and no place twice. The same pool,
    query and draw give the same places: whatever is random comes from ``pool.seed``. Where queries get the same
    demonstrations in the same order, merc computes these once for all of them.

    The smallest complete selector:

    >>> @dataclass(frozen=True, kw_only=True)
    ... class First(Selector):
    ...     k: int = 1
    ...
    ...     def load(self, pool):
    ...         def select(queries, vectors, draw):
    ...             others = [[p for p, shown in enumerate(pool.queries)
    ...                        if shown.conversation.id != query.conversation.id] for query in queries]
    ...             return [places[: self.k] for places in others]
    ...         return select
    >>> from merc.conversation import Conversation, LabelSpace, Utterance
    >>> talks = [Conversation(id=c, utterances=(Utterance(id=c + "0", text="Hi!", label="joy"),)) for c in "ab"]
    >>> asked = [Query(conversation=talk, index=0, labels=LabelSpace(("joy",))) for talk in talks]
    >>> First().load(Pool(asked))(asked, None, 0)
    [[1], [0]]
    """

    kind: ClassVar[str] = "selector"

    def draws(self) -> int:
        """How many different draws it has. Training takes them in turn, from one conversation to the next and from one
        epoch to the next; evaluation uses the first, 0."""
        return 1

    def comparison(self) -> Similarity | None:
        """What it compares by, so that a recipe can be checked before it runs; ``None`` for nothing."""
        return None

    @abstractmethod
    def load(self, pool: Pool) -> SelectFunction:
        """Get ready, and give the function that chooses.

        Raises:
            MercError: The pool cannot serve (it is too small, or an id is not in it).
        """
