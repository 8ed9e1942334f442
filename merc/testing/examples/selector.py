"""Example, a selector: replace how it chooses with your way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Selector):
    """The ``k`` labelled utterances with the fewest words: short demonstrations leave room for the conversation."""

    k: int = 3

    def load(self, pool: merc.Pool) -> merc.SelectFunction:
        """Look at the labelled utterances of the train split, once a run."""
        places = sorted(range(len(pool)), key=lambda place: len(pool.queries[place].target.text.split()))

        def select(queries: Sequence[merc.Query], vectors: Any, draw: int) -> list[list[int]]:
            return [[p for p in places if self._may(pool.queries[p], query)][: self.k] for query in queries]

        return select

    def _may(self, example: merc.Query, query: merc.Query) -> bool:
        """A query is never shown its own conversation."""
        return example.conversation.id != query.conversation.id
