"""The choice of demonstrations: a selector at work over the labelled utterances of a train split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from merc.components import Indices, Pool, Query, SelectFunction, Selector, Vectors
from merc.consent import require
from merc.errors import MercError
from merc.recipe import ComponentRef
from merc.registry.faults import FunctionOf
from merc.retrieval.embed import Embeddings, Progress
from merc.retrieval.index import Index, Unusable

_AT_ONCE = 1024
_T = TypeVar("_T")


class IndexedPool(Pool):
    """A pool whose vectors are in an index."""

    def __init__(self, queries: Sequence[Query], seed: int, index: Index) -> None:
        super().__init__(queries, seed)
        self.index = index

    def vectors(self, places: Sequence[int] | Indices) -> Vectors:
        """The vectors ``[places, dim]``."""
        return self.index.vectors(places)

    def nearest(self, vectors: Vectors, count: int) -> tuple[Vectors, Indices]:
        """The most similar places."""
        return self.index.search(vectors, count)


@dataclass(frozen=True)
class IndexSource:
    """What an index is built from, and the folder where it is kept (``None``: nowhere). It is built anew where the kept
    one is damaged or the data are others; ``keep: False`` only reads it."""

    embeddings: Embeddings
    folder: Path | None = None
    keep: bool = True


class Chooser:
    """Chooses demonstrations for queries with one selector.

    ``where`` is the selector's path in the recipe, ``pool`` the train split's queries, labelled or not. ``source`` is
    needed where the selector compares. ``say`` tells the user a sentence.

    Raises MercError where the selector cannot serve, naming ``where``.
    """

    def __init__(
        self,
        where: str,
        part: ComponentRef,
        pool: Sequence[Query],
        seed: int,
        source: IndexSource | None = None,
        say: Callable[[str], None] = lambda sentence: None,
        progress: Progress = lambda share, what: None,
    ) -> None:
        assert isinstance(part.component, Selector)
        require(part.component, f"{where}, selector {part.name!r}")
        self.where, self.name, self.selector = where, part.name, part.component
        self.embeddings = None if source is None else source.embeddings
        self.say = say
        labelled = [query for query in pool if query.target.label is not None]
        if not labelled:
            raise MercError(f"{where}: there is nothing to show: no utterance of the train split has a label")
        self._known: dict[tuple[str, int], tuple[Query, ...]] = {}
        self._noted: set[str] = set()
        self.pool = Pool(labelled, seed) if source is None else self._indexed(labelled, seed, source, progress)
        self._select: SelectFunction = FunctionOf(
            self.selector, self._naming_where(lambda: self.selector.load(self.pool))
        )

    def choose(
        self, queries: Sequence[Query], draw: int = 0, progress: Progress = lambda share, what: None
    ) -> list[tuple[Query, ...]]:
        """The demonstrations of each query, in the order in which they are shown. A query is asked about once."""
        new = self.unknown(queries, draw)
        for at in range(0, len(new), _AT_ONCE):
            some = new[at : at + _AT_ONCE]
            progress(at / len(new), f"{at}/{len(new)}")
            vectors = None if self.embeddings is None else self.embeddings.vectors(some)
            if vectors is not None and (lost := [q for q, v in zip(some, vectors, strict=True) if not v.any()]):
                have = "utterance has" if len(lost) == 1 else "utterances have"
                self._tell(
                    f"{self.where}: {len(lost)} {have} nothing to be compared by ({lost[0].target.id}"
                    f"{', ...' if len(lost) > 1 else ''}): not chosen by what they are like"
                )
            lists = self._naming_where(lambda some=some, vectors=vectors: self._select(some, vectors, draw))  # type: ignore[misc]
            if len(lists) != len(some):
                raise self._fault(f"gave {len(lists)} lists of places for {len(some)} queries")
            for query, places in zip(some, lists, strict=True):
                self._known[query.target.id, draw] = self._checked(query, places)
        chosen = [self._known[query.target.id, draw] for query in queries]
        self._tell_fewer(queries, chosen)
        return chosen

    def unknown(self, queries: Sequence[Query], draw: int = 0) -> list[Query]:
        """The queries, each once, for which nothing was chosen yet."""
        return list({q.target.id: q for q in queries if (q.target.id, draw) not in self._known}.values())

    def forget(self) -> None:
        """Forget what was chosen: the queries that come next may have the ids of others."""
        self._known.clear()

    def _checked(self, query: Query, places: Sequence[int]) -> tuple[Query, ...]:
        """The queries at the places that a selector gave; what it must not give is its fault."""
        for place in places:
            if not isinstance(place, int | np.integer) or not 0 <= place < len(self.pool):
                raise self._fault(f"gave {place!r} for {query.target.id!r}, which is no place of the pool")
            if self.pool.queries[place].conversation.id == query.conversation.id:
                raise self._fault(f"gave {query.target.id!r} a demonstration from its own conversation")
        if len(set(places)) != len(places):
            raise self._fault(f"gave {query.target.id!r} a demonstration twice")
        return tuple(self.pool.queries[place] for place in places)

    def _fault(self, what: str) -> MercError:
        return MercError(f"{self.where}: selector {self.name!r} {what}; this is a fault of the selector")

    def _naming_where(self, act: Callable[[], _T]) -> _T:
        try:
            return act()
        except MercError as error:
            raise MercError(f"{self.where}: {error}") from None

    def _tell_fewer(self, queries: Sequence[Query], chosen: Sequence[Sequence[Query]]) -> None:
        most = max((len(places) for places in chosen), default=0)
        few = [query.target.id for query, places in zip(queries, chosen, strict=True) if len(places) < most]
        if few:
            are = "utterance is" if len(few) == 1 else "utterances are"
            self._tell(
                f"{self.where}: {len(few)} {are} shown fewer than {most} demonstrations, since the others are of their "
                f"own conversation ({few[0]}{', ...' if len(few) > 1 else ''})"
            )

    def _tell(self, sentence: str) -> None:
        if sentence not in self._noted:
            self._noted.add(sentence)
            self.say(sentence)

    def _indexed(self, pool: Sequence[Query], seed: int, source: IndexSource, progress: Progress) -> Pool:
        """The pool with its vectors in an index, read or built, less what has no vector."""
        embeddings = source.embeddings
        data = embeddings.data(pool)
        file = None
        if source.folder is not None:
            name = hashlib.sha256(f"{embeddings.comparison}".encode()).hexdigest()[:12]
            file = source.folder / f"{name}.safetensors"
        index = self._kept(file, data)
        if index is None:
            vectors = embeddings.vectors(pool, progress)
            there = [row for row, vector in enumerate(vectors) if vector.any()]
            if not there:
                raise MercError(
                    f"{self.where}: no labelled utterance of the train split has anything to be compared by"
                )
            ids = [pool[row].target.id for row in there]
            index = Index.build(vectors[there], ids, embeddings.comparison.index, seed)
            if file is not None and source.keep:
                try:
                    index.save(file, data)
                except OSError as error:
                    self.say(
                        f"{self.where}: the index cannot be kept in {file} ({error.strerror}); it serves this once"
                    )
        if len(index) < len(pool):
            some = set(index.ids)
            lacking = [query.target.id for query in pool if query.target.id not in some]
            have = "utterance of the train split has" if len(lacking) == 1 else "utterances of the train split have"
            self.say(
                f"{self.where}: {len(lacking)} labelled {have} nothing to be compared by: never shown ({lacking[0]}"
                f"{', ...' if len(lacking) > 1 else ''})"
            )
        by_id = {query.target.id: query for query in pool}
        return IndexedPool([by_id[one] for one in index.ids], seed, index)

    def _kept(self, file: Path | None, data: str) -> Index | None:
        """The index that was kept, if it serves; the user reads why one does not."""
        if file is None:
            return None
        try:
            return Index.load(file, data)
        except FileNotFoundError:
            return None
        except Unusable as error:
            self.say(f"{self.where}: the index {file} {error}; it is built anew")
            return None
