"""Live, a decoder: the labels' probabilities while a conversation goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import merc


@dataclass(frozen=True, kw_only=True)
class Live(merc.Decoder):
    """Scores the labels of one utterance after the other, as they are spoken. Earlier utterances keep their keys and
    values, so each computes its own tokens and the labels, and nothing else."""

    gives = frozenset({"probabilities"})

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The likeliest label of each query."""
        decoded: list[merc.Decoded] = []
        for _, talk in groupby(queries, key=lambda query: query.conversation.id):
            spoken = list(talk)
            cache = model.cache(spoken[:1])
            for query in spoken:
                cache.extend([query])
                decoded += merc.likeliest([query], cache.score([query]).values, model.labels)
            cache.free()
        return decoded
