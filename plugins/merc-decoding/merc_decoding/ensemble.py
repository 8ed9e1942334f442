"""The decoder ``ensemble``: several prompts ask about each utterance, and their answers are brought together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import merc

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Ensemble(merc.Decoder):
    """Asks about each utterance with several prompters and takes the mean of the labels' probabilities, or the label
    that most of them hold likeliest.

    Kept of each answer: ``votes``, the label by each prompter in their order. What prompts have in common is computed
    once: variants that differ at their end alone, in the question say, share the whole conversation.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"probabilities"})
    prompters_: tuple[merc.Prompter, ...]
    """The variants: other prompters, or one with other instructions and questions."""
    own: bool = True
    """Whether the recipe's own prompter is asked too, first."""
    vote: Literal["mean", "majority"] = "mean"
    """``mean`` of the probabilities, or ``majority``: probabilities are then shares of the votes, and of labels with
    equally many votes the one with the higher mean is taken."""
    normalize: Literal["none", "tokens"] = "none"
    """``tokens`` divides the log-probability of a word by its number of tokens."""

    def __post_init__(self) -> None:
        if len(self.prompters_) + self.own < 2:
            raise ValueError("prompters and own make one prompt; an ensemble is of two at least")

    def prompters(self) -> Sequence[merc.Prompter]:
        """``prompters``."""
        return self.prompters_

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The label of each query that the prompts together hold likeliest."""
        chances = probabilities_by_prompt(model, queries, self.prompters_, self.own, self.normalize)
        votes = votes_of(model, chances)
        answers = merc.likeliest(queries, chances.mean(1).log(), model.labels)
        if self.vote == "majority":
            answers = [_majority(one, names) for one, names in zip(answers, votes, strict=True)]
        return [replace(one, details={"votes": names}) for one, names in zip(answers, votes, strict=True)]


def probabilities_by_prompt(
    model: merc.Model,
    queries: Sequence[merc.Query],
    prompters: Sequence[merc.Prompter],
    own: bool,
    normalize: Literal["none", "tokens"],
) -> Tensor:
    """Probabilities ``[queries, prompts, labels]`` of the labels by each prompter, with ``own`` by the recipe's first.
    All is asked at once, the prompts about one conversation one after the other, so that what they share is computed
    once."""
    prompts = [
        prompt
        for query in queries
        for prompt in [*([model.prompt(query)] if own else []), *(p.prompt(query) for p in prompters)]
    ]
    each = len(prompters) + own
    scores = model.score([query for query in queries for _ in range(each)], normalize, prompts).values
    return scores.softmax(-1).view(len(queries), each, -1)


def votes_of(model: merc.Model, chances: Tensor) -> list[list[str]]:
    """The likeliest label by each of several answers ``[queries, answers, labels]``."""
    return [[model.labels.labels[place] for place in row] for row in chances.argmax(-1).tolist()]


def _majority(mean: merc.Decoded, votes: Sequence[str]) -> merc.Decoded:
    """The label with most votes; of several, the one with the higher mean probability."""
    counts, chances = Counter(votes), mean.probabilities or {}
    label = max(chances, key=lambda name: (counts[name], chances[name]))
    return merc.Decoded(label=label, probabilities={name: counts[name] / len(votes) for name in chances})
