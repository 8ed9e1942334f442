"""Whether two runs differ by more than chance: over seeds, and over utterances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
_CHUNK = 500

Answers = npt.NDArray[np.int64]
"""A class number an utterance ``[n]``; what could not be parsed is a class of its own behind the last label."""


@dataclass(frozen=True)
class Difference:
    """How much higher a number of the second is than the first's, with the 95 % interval of a paired bootstrap over
    utterances and its two-sided p-value."""

    value: float
    low: float
    high: float
    p: float


def paired_t(first: Sequence[float], second: Sequence[float]) -> float | None:
    """The two-sided p-value of the paired t-test over runs of the same seeds, as BeMERC's authors report it.

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


def bootstrap_weighted_f1(
    truth: Answers,
    first: Sequence[Answers],
    second: Sequence[Answers],
    labels: int,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Difference:
    """Draw utterances with replacement, the same for both sides, and see how the difference in weighted F1 spreads.

    Each side has the answers of one run or of several (seeds); its number is the mean over them. The p-value is twice
    the share of draws on the far side of zero, with one added to both counts so that it is never 0.

    >>> truth = np.array([0, 1] * 50)
    >>> found = bootstrap_weighted_f1(truth, [np.zeros(100, int)], [truth], 2, resamples=200)
    >>> round(found.value, 4), found.p < 0.05
    (0.6667, True)
    """
    draw = np.random.default_rng(seed)
    n = len(truth)

    def side(answers: Sequence[Answers], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        mean: npt.NDArray[np.float64] = np.mean([weighted_f1(truth, a, labels, weights) for a in answers], axis=0)
        return mean

    whole = np.ones((1, n))
    value = float(side(second, whole)[0] - side(first, whole)[0])
    found: list[float] = []
    while len(found) < resamples:
        count = min(_CHUNK, resamples - len(found))
        weights = draw.multinomial(n, np.full(n, 1 / n), size=count).astype(np.float64)
        found.extend(side(second, weights) - side(first, weights))
    spread = np.asarray(found)
    low, high = np.quantile(spread, (0.025, 0.975))
    below, above = int((spread <= 0).sum()), int((spread >= 0).sum())
    p = min(1.0, 2 * (min(below, above) + 1) / (resamples + 1))
    return Difference(value, float(low), float(high), p)


def weighted_f1(
    truth: Answers, answers: Answers, labels: int, weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Weighted F1 ``[draws]`` where each utterance counts as often as ``weights`` ``[draws, n]`` say.

    >>> float(weighted_f1(np.array([0, 0, 1]), np.array([0, 1, 1]), 2, np.ones((1, 3)))[0])
    0.6666666666666666
    """
    classes = np.arange(labels)
    true = (truth[:, None] == classes).astype(np.float64)
    said = (answers[:, None] == classes).astype(np.float64)
    support, predicted, right = weights @ true, weights @ said, weights @ (true * said)
    both = support + predicted
    f1 = np.divide(2 * right, both, out=np.zeros_like(both), where=both > 0)
    total: npt.NDArray[np.float64] = (f1 * support).sum(1) / support.sum(1)
    return total


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
