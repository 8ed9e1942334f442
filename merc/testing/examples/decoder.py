"""Example, a decoder: replace how the label is had with yours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Decoder):
    """Takes away how likely the model holds each label without the conversation, after ``question`` alone, so that
    frequent words have no head start (domain-conditional PMI). ``weight`` is how much of it is taken away."""

    gives: ClassVar[frozenset[str]] = frozenset({"probabilities", "states"})
    question: str = "The emotion is:"
    weight: float = 1.0

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The label of each query that gains most by the conversation."""
        prompts = [model.prompt(query) for query in queries]
        alone = [replace(p, segments=(merc.Text(self.question), p.answer)) for p in prompts]
        prior = model.score(queries, prompts=alone).values
        scores = model.score(queries)
        # A label that a query does not have stays at minus infinity.
        values = scores.values - self.weight * prior.masked_fill(prior.isinf(), 0.0)
        return merc.likeliest(queries, values, model.labels, scores.states)
