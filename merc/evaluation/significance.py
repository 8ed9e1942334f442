"""Whether two runs differ by more than chance: over seeds, and over conversations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
_CHUNK = 500

Answers = npt.NDArray[np.int64]
"""The class number of each utterance ``[n]``; what could not be parsed is a class of its own after the last label."""


Weights = npt.NDArray[np.float64]
"""How often each conversation was drawn ``[draws, conversations]``."""

Values = npt.NDArray[np.float64]
"""A number in each draw ``[draws]``; not a number where it does not exist."""

Statistic = Callable[[Weights], Values]


@dataclass(frozen=True)
class Difference:
    """How much higher a number of the second is than the first's, with the 95 % interval of a paired bootstrap over
    conversations and its two-sided p-value; ``why`` says in their place why there are none."""

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    why: str = ""


def paired_t(first: Sequence[float], second: Sequence[float]) -> float | None:
    """The two-sided p-value of the paired t-test over runs of the same seeds.

    ``None`` where it says nothing: fewer than two pairs, or differences that are all the same.

    >>> round(paired_t([0.60, 0.62, 0.61], [0.64, 0.65, 0.66]), 4)
    0.0202
    >>> paired_t([0.60], [0.64])
    """
    from scipy.stats import ttest_rel

    apart = np.asarray(second) - np.asarray(first)
    if len(apart) < 2 or np.ptp(apart) < 1e-12:
        return None
    return float(ttest_rel(second, first).pvalue)


def mcnemar(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """The exact two-sided p-value of McNemar's test, from which utterances each run has right ``[n]``.

    Only utterances that one run has right and the other wrong count: under the null hypothesis each falls either way
    like a coin.

    >>> one = np.array([True] * 10 + [False] * 8)
    >>> two = np.array([True] * 18)
    >>> mcnemar(one, two)
    0.0078125
    """
    from scipy.stats import binomtest

    lost, won = int((first & ~second).sum()), int((~first & second).sum())
    return 1.0 if lost + won == 0 else float(binomtest(won, lost + won, 0.5).pvalue)


def bootstrap(
    first: Sequence[Statistic],
    second: Sequence[Statistic],
    conversations: int,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Difference:
    """Draw conversations with replacement, the same for both sides, and see how the difference of a number spreads.

    Whole conversations are drawn, since what is felt in one utterance is no independent case beside the next one. Each
    side has a statistic for each of its runs (seeds); its number is the mean over them. The p-value is twice the share
    of draws on the far side of zero, with one added to both counts so that it is never 0. Draws in which a number does
    not exist (nothing in them bears a label, say) are drawn anew; where most are such, there is no interval.

    >>> truth = np.array([0, 1] * 50)
    >>> always, right = (counted("weighted_f1", truth, said, 2, np.arange(100)) for said in (0 * truth, truth))
    >>> found = bootstrap([always], [right], 100, resamples=200)
    >>> round(found.value, 4), found.p < 0.05
    (0.6667, True)
    """

    def side(statistics: Sequence[Statistic], weights: Weights) -> Values:
        mean: Values = np.mean([statistic(weights) for statistic in statistics], axis=0)
        return mean

    def apart(weights: Weights) -> Values:
        return side(second, weights) - side(first, weights)

    value = float(apart(np.ones((1, conversations)))[0])
    (spread,) = _draws([apart], conversations, seed, resamples)
    if isinstance(spread, str):
        return Difference(value, why=spread)
    low, high = np.quantile(spread, (0.025, 0.975))
    below, above = int((spread <= 0).sum()), int((spread >= 0).sum())
    p = min(1.0, 2 * (min(below, above) + 1) / (resamples + 1))
    return Difference(value, float(low), float(high), p)


def interval(
    statistic: Statistic, conversations: int, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float] | str:
    """The 95 % interval of a number, by a bootstrap over conversations as ``bootstrap`` has it; or why there is none.

    >>> truth = np.array([0, 1] * 50)
    >>> low, high = interval(counted("accuracy", truth, 0 * truth, 2, np.arange(100)), 100, resamples=200)
    >>> 0.35 < low < 0.5 < high < 0.65
    True
    """
    return intervals({"": statistic}, conversations, seed, resamples)[""]


def intervals(
    statistics: Mapping[str, Statistic], conversations: int, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, tuple[float, float] | str]:
    """What ``interval`` gives for each of several numbers, by name, from the same draws."""
    spreads = _draws(list(statistics.values()), conversations, seed, resamples)
    return {name: _ends(spread) for name, spread in zip(statistics, spreads, strict=True)}


def _ends(spread: Values | str) -> tuple[float, float] | str:
    if isinstance(spread, str):
        return spread
    low, high = np.quantile(spread, (0.025, 0.975))
    return float(low), float(high)


def _draws(statistics: Sequence[Statistic], conversations: int, seed: int, resamples: int) -> list[Values | str]:
    """Numbers in draws of conversations with replacement, or why there are not enough of them."""
    if conversations < 2:
        return ["one conversation, so there is nothing to draw from"] * len(statistics)
    draw = np.random.default_rng(seed)
    values: list[list[float]] = [[] for _ in statistics]
    drawn = 0
    while drawn < 2 * resamples and min(map(len, values)) < resamples:
        count = min(_CHUNK, resamples)
        weights = draw.multinomial(conversations, np.full(conversations, 1 / conversations), size=count)
        for statistic, own in zip(statistics, values, strict=True):
            numbers = statistic(weights.astype(np.float64))
            own.extend(numbers[~np.isnan(numbers)])
        drawn += count
    return [
        np.asarray(own[:resamples])
        if len(own) >= resamples
        else f"in {drawn - len(own)} of {drawn} draws the number does not exist"
        for own in values
    ]


def counted(number: str, truth: Answers, answers: Answers, labels: int, conversation: Answers) -> Statistic:
    """A number of a classification as a statistic: ``accuracy``, ``weighted_f1``, ``macro_f1``, ``uar`` or
    ``unparsed_rate``. ``conversation`` ``[n]`` says of which conversation an utterance is, from 0.

    >>> said = counted("weighted_f1", np.array([0, 0, 1]), np.array([0, 1, 1]), 2, np.array([0, 0, 1]))
    >>> float(said(np.ones((1, 2)))[0])
    0.6666666666666666
    """
    size = int(conversation.max()) + 1
    right = answers == truth

    def tally(classes: Answers, which: npt.NDArray[np.bool_]) -> Weights:
        table = np.zeros((size, labels + 1))
        np.add.at(table, (conversation[which], classes[which]), 1)
        return table

    every = np.ones(len(truth), bool)
    true, answered, both = tally(truth, every), tally(answers, every), tally(truth, right)

    def statistic(weights: Weights) -> Values:
        support, predicted, hits = (weights @ table for table in (true, answered, both))
        total = support.sum(1)
        if number == "accuracy":
            return _over(hits.sum(1), total)
        if number == "unparsed_rate":
            return _over(predicted[:, labels], total)
        recall = _over(hits, support, 0.0)
        f1 = _over(2 * hits, support + predicted, 0.0)
        if number == "weighted_f1":
            return _over((f1 * support).sum(1), total)
        there = support > 0  # means are over the labels that occur as truth
        return _over(((recall if number == "uar" else f1) * there).sum(1), there.sum(1).astype(np.float64))

    return statistic


def _over(above: Values, below: Values, otherwise: float = math.nan) -> Values:
    return np.divide(above, below, out=np.full_like(below, otherwise), where=below > 0)


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and the sample standard deviation (``None`` for a single value).

    >>> mean_and_deviation([1.0, 3.0])
    (2.0, 1.4142135623730951)
    >>> mean_and_deviation([1.0])
    (1.0, None)
    """
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, None
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
