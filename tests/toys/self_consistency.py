"""SelfConsistency, a decoder: several thoughts about each utterance, and the labels after each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import merc


@dataclass(frozen=True, kw_only=True)
class SelfConsistency(merc.Decoder):
    """The mean of the labels' probabilities after ``count`` thoughts, which the model draws at ``temperature``, by
    ``seed``, each of at most ``max_new_tokens`` tokens (after Wang et al., 2023). ``conclude`` stands between a thought
    and the label."""

    gives = frozenset({"probabilities"})
    count: int = 5
    temperature: float = 0.7
    max_new_tokens: int = 64
    conclude: str = "\nSo the emotion is"
    seed: int = 0

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The label that is likeliest over all thoughts. A prompt is computed once for its thoughts, and once for all
        labels after them."""
        how = {"count": self.count, "temperature": self.temperature, "seed": self.seed}
        thoughts = model.generate(queries, max_new_tokens=self.max_new_tokens, **how)
        pairs = [(query, one.text) for query, texts in zip(queries, thoughts, strict=True) for one in texts]
        prompts = [model.prompt(query).after(text + self.conclude) for query, text in pairs]
        scores = model.score([query for query, _ in pairs], prompts=prompts).values
        chances = scores.softmax(-1).view(len(queries), self.count, -1).mean(1)
        return merc.likeliest(queries, chances.log(), model.labels)
