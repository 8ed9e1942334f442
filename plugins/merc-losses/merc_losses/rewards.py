"""Rewards of written answers, and how several are added up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

import merc
from merc.answers import read_answer, vocabulary_of_labels


@dataclass(frozen=True, kw_only=True)
class Format(merc.Reward):
    """1 for an answer that as a whole has a form, else 0. An answer that the model did not end itself gets 0."""

    pattern: str = r"\s*<think>.+</think>\s*<answer>.+</answer>\s*"
    """The form, a regular expression in which a dot also matches the end of a line. The default is what R1-Omni asks
    for: reasons within <think>, then the answer within <answer>."""

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern {self.pattern!r} is no regular expression: {error}") from None

    def scores(self, query: merc.Query, answers: Sequence[merc.Generation]) -> Sequence[float]:
        """1 or 0 for each answer."""
        form = re.compile(self.pattern, re.DOTALL)
        return [float(answer.ended and form.fullmatch(answer.text) is not None) for answer in answers]


@dataclass(frozen=True, kw_only=True)
class LabelAccuracy(merc.Reward):
    """1 for an answer of which the right label is read, and no other one, else 0. It is read as merc reads all written
    answers (``merc.answers``)."""

    block: Literal["answer-or-rest", "answer-only", "whole"] = "answer-or-rest"
    """Where the label is: ``answer-or-rest`` within <answer>, else in what follows the reasoning; ``answer-only``
    within <answer>; ``whole`` anywhere."""
    sentences: Literal["search", "drop"] = "search"
    """Whether labels are looked for within sentences (``search``) or not (``drop``)."""

    def check(self, labels: merc.LabelSpace, queries: Sequence[merc.Query]) -> None:
        """Raise MercError where an utterance has no label."""
        if lacking := list(dict.fromkeys(query.target.id for query in queries if query.target.label is None)):
            more = f" ({len(lacking) - 1} more have none)" if len(lacking) > 1 else ""
            raise merc.MercError(
                f"reward 'label-accuracy': utterance {lacking[0]!r} has no label{more}, so no answer can be "
                "judged; give it one, leave it out of the data, or take this reward out"
            )

    def scores(self, query: merc.Query, answers: Sequence[merc.Generation]) -> Sequence[float]:
        """1 or 0 for each answer. Raises MercError for an utterance without a label."""
        self.check(query.labels, [query])
        known = vocabulary_of_labels(query.labels)
        right = (query.target.label,)
        return [
            float(read_answer(answer.text, known, self.block, self.sentences).labels == right) for answer in answers
        ]


@dataclass(frozen=True, kw_only=True)
class Length(merc.Reward):
    """1 for an answer whose number of words lies in a range, else 0: reasons are neither left out nor endless."""

    least: int = 1
    """The fewest words of an answer that gets 1."""
    most: int = 60
    """The most words of an answer that gets 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.least <= self.most:
            raise ValueError(f"least is from 0 to most, not {self.least} with most {self.most}")

    def scores(self, query: merc.Query, answers: Sequence[merc.Generation]) -> Sequence[float]:
        """1 or 0 for each answer."""
        return [float(self.least <= len(answer.text.split()) <= self.most) for answer in answers]


def totals(
    rewards: Sequence[merc.Reward], names: Sequence[str], query: merc.Query, answers: Sequence[merc.Generation]
) -> tuple[list[float], dict[str, list[float]]]:
    """Each answer's rewards times their weights, added up, and the rewards by name. Raises MercError for a reward that
    gives other than a finite number an answer."""
    scores_of = {name: reward.scores(query, answers) for name, reward in zip(names, rewards, strict=True)}
    return added_up(rewards, scores_of, query, answers)


def added_up(
    rewards: Sequence[merc.Reward],
    scores_of: Mapping[str, Sequence[float]],
    query: merc.Query,
    answers: Sequence[merc.Generation],
) -> tuple[list[float], dict[str, list[float]]]:
    """The same of what rewards gave, by name and in their order."""
    by_name: dict[str, list[float]] = {}
    for name, own in scores_of.items():
        scores = [float(score) for score in own]
        if len(scores) != len(answers) or not all(abs(score) < float("inf") for score in scores):
            raise merc.MercError(
                f"reward {name!r} gives {scores} for {len(answers)} answers about utterance {query.target.id!r}; it "
                "must give a finite number for each"
            )
        by_name[name] = scores
    weighed = [[r.weight * score for score in own] for r, own in zip(rewards, by_name.values(), strict=True)]
    return [sum(own) for own in zip(*weighed, strict=True)], by_name


def best_and_worst(texts: Sequence[str], rewards: Sequence[float]) -> tuple[str, str] | str:
    """The text with the highest reward and that with the lowest, of those that are not empty and the first of equals;
    or why no two can be told apart.

    >>> best_and_worst(["joy ", "", "anger"], [0.0, 2.0, 1.0]), best_and_worst(["joy", "anger"], [1.0, 1.0])
    (('anger', 'joy'), 'all answers are rewarded alike')
    """
    pairs = [(reward, text.strip()) for reward, text in zip(rewards, texts, strict=True) if text.strip()]
    if not pairs:
        return "all answers are empty"
    best, chosen = max(pairs, key=itemgetter(0))  # both give the first of equals
    worst, rejected = min(pairs, key=itemgetter(0))
    if best == worst:
        return "all answers are rewarded alike"
    return "the best and the worst answer are the same text" if chosen == rejected else (chosen, rejected)


def names_of(rewards: Sequence[merc.Reward]) -> list[str]:
    """A name for each reward, by its class, told apart where there are several of one.

    >>> names_of([LabelAccuracy(), Format(), Format(pattern=".+")])
    ['label-accuracy', 'format', 'format-2']
    """
    names: list[str] = []
    for reward in rewards:
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", type(reward).__name__).lower()
        times = 1 + sum(one == name or one.startswith(f"{name}-") for one in names)
        names.append(name if times == 1 else f"{name}-{times}")
    return names


def check_rewards(rewards: Sequence[merc.Reward], count: int) -> None:
    """Raise ValueError for rewards from which nothing can be learned, and for groups too small to compare."""
    if not any(reward.weight for reward in rewards):
        raise ValueError("rewards names none with a weight above 0; list some: [{name: label-accuracy}]")
    if count < 2:
        raise ValueError(f"count is how many answers are compared, 2 or more, not {count}")


def check_sampling(max_new_tokens: int, temperature: float, top_p: float) -> None:
    """Raise ValueError for values that no answers can be drawn with."""
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens counts from 1, not {max_new_tokens}")
    if temperature <= 0:
        raise ValueError(f"temperature is above 0, not {temperature:g}; at 0 all answers are the same")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p is above 0 and at most 1, not {top_p:g}")
