"""The tests against plain ways of doing the same, and what they say of runs that differ and that do not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from merc.evaluation.significance import bootstrap_weighted_f1, mcnemar, mean_and_deviation, paired_t, weighted_f1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, 3)), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_weighted_f1_is_scikit_learns_with_utterances_repeated(rows: list[tuple[int, int, int]]) -> None:
    truth, said, times = (np.array(column) for column in zip(*rows, strict=True))
    repeated = f1_score(truth.repeat(times), said.repeat(times), labels=range(4), average="weighted", zero_division=0.0)
    assert weighted_f1(truth, said, 4, times[None].astype(float))[0] == pytest.approx(repeated)


def test_the_bootstrap_is_a_loop_over_drawn_utterances() -> None:
    draw = np.random.default_rng(3)
    truth = draw.integers(0, 3, 60)
    one = np.where(draw.random(60) < 0.5, truth, draw.integers(0, 4, 60))
    two = np.where(draw.random(60) < 0.7, truth, draw.integers(0, 4, 60))
    found = bootstrap_weighted_f1(truth, [one], [two], 3, seed=1, resamples=2000)
    apart = []
    for _ in range(2000):
        picked = draw.integers(0, 60, 60)
        scores = [
            f1_score(truth[picked], side[picked], labels=range(3), average="weighted", zero_division=0.0)
            for side in (one, two)
        ]
        apart.append(scores[1] - scores[0])
    low, high = np.quantile(apart, (0.025, 0.975))
    assert (found.low, found.high) == (pytest.approx(low, abs=0.03), pytest.approx(high, abs=0.03))
    plain = 2 * min(np.mean(np.array(apart) <= 0), np.mean(np.array(apart) >= 0))
    assert found.p == pytest.approx(plain, abs=0.03)


def test_several_seeds_are_averaged() -> None:
    truth = np.array([0, 1] * 20)
    wrong = 1 - truth
    found = bootstrap_weighted_f1(truth, [wrong, truth], [truth, truth], 2, resamples=50)
    assert found.value == pytest.approx(0.5)


def test_a_run_against_itself_does_not_differ() -> None:
    truth = np.array([0, 1, 2] * 20)
    said = np.roll(truth, 1)
    found = bootstrap_weighted_f1(truth, [said], [said], 3, resamples=100)
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    right = said == truth
    assert mcnemar(right, right) == 1.0


def test_the_same_seed_draws_the_same() -> None:
    truth = np.arange(40) % 3
    sides = [np.roll(truth, 1)], [np.where(np.arange(40) % 2, truth, 0)]
    assert bootstrap_weighted_f1(truth, *sides, 3, seed=5, resamples=200) == bootstrap_weighted_f1(
        truth, *sides, 3, seed=5, resamples=200
    )


@pytest.mark.parametrize(("lost", "won"), [(0, 1), (3, 9), (5, 5)])
def test_mcnemar_counts_coins(lost: int, won: int) -> None:
    one = np.array([True] * lost + [False] * won + [True, False])
    two = np.array([False] * lost + [True] * won + [True, False])
    coins = [sum(faces) for faces in itertools.product((0, 1), repeat=lost + won)]
    as_far = [abs(c - (lost + won) / 2) >= abs(won - (lost + won) / 2) for c in coins]
    assert mcnemar(one, two) == pytest.approx(np.mean(as_far))


def test_paired_t_by_its_formula() -> None:
    from scipy.stats import t as student

    one, two = [0.61, 0.58, 0.63, 0.60], [0.64, 0.62, 0.63, 0.66]
    apart = np.array(two) - np.array(one)
    statistic = apart.mean() / (apart.std(ddof=1) / 2)
    assert paired_t(one, two) == pytest.approx(2 * student.sf(abs(statistic), 3))


def test_paired_t_says_nothing_of_what_never_varies() -> None:
    assert paired_t([0.1, 0.2, 0.3], [0.2, 0.3, 0.4]) is None
    assert paired_t([0.1], [0.2]) is None


def test_deviation_is_the_samples() -> None:
    values = [0.1, 0.5, 0.3]
    assert mean_and_deviation(values) == (pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)))
