"""The tests against plain ways of doing the same, and what they say of runs that differ and that do not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from merc.evaluation.significance import bootstrap, counted, mcnemar, mean_and_deviation, paired_t

EACH = np.arange(60)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30),
    st.lists(st.integers(0, 3), min_size=5, max_size=5),
)
@settings(max_examples=50, deadline=None)
def test_numbers_are_scikit_learns_with_conversations_repeated(
    rows: list[tuple[int, int, int]], drawn: list[int]
) -> None:
    truth, said, talk = (np.array(column) for column in zip(*rows, strict=True))
    times = np.array(drawn)[talk]
    weights = np.array([drawn[: int(talk.max()) + 1]], float)
    values = {n: counted(n, truth, said, 4, talk)(weights)[0] for n in ("accuracy", "weighted_f1", "macro_f1", "uar")}
    if not times.any():
        assert all(np.isnan(value) for value in values.values())
        return
    many, guesses = truth.repeat(times), said.repeat(times)
    there = sorted(set(many.tolist()))
    assert values["accuracy"] == pytest.approx((many == guesses).mean())
    for name, how in (("weighted_f1", {"labels": range(4), "average": "weighted"}),
                      ("macro_f1", {"labels": there, "average": "macro"})):  # fmt: skip
        assert values[name] == pytest.approx(f1_score(many, guesses, zero_division=0.0, **how))
    recall = recall_score(many, guesses, labels=there, average="macro", zero_division=0.0)
    assert values["uar"] == pytest.approx(recall)
    unparsed = counted("unparsed_rate", truth, said, 4, talk)(weights)[0]
    assert unparsed == pytest.approx((guesses == 4).mean())


def test_the_bootstrap_is_a_loop_over_drawn_conversations() -> None:
    draw = np.random.default_rng(3)
    talk = np.repeat(np.arange(20), 3)
    truth = draw.integers(0, 3, 60)
    # Whole conversations are right or wrong, so that drawing utterances one by one would give a narrower interval.
    one = np.where(np.repeat(draw.random(20) < 0.5, 3), truth, (truth + 1) % 3)
    two = np.where(np.repeat(draw.random(20) < 0.7, 3), truth, (truth + 1) % 3)
    sides = [[counted("weighted_f1", truth, side, 3, talk)] for side in (one, two)]
    found = bootstrap(*sides, 20, seed=1, resamples=2000)
    apart = []
    for _ in range(2000):
        picked = np.concatenate([np.flatnonzero(talk == c) for c in draw.integers(0, 20, 20)])
        scores = [
            f1_score(truth[picked], side[picked], labels=range(3), average="weighted", zero_division=0.0)
            for side in (one, two)
        ]
        apart.append(scores[1] - scores[0])
    low, high = np.quantile(apart, (0.025, 0.975))
    assert (found.low, found.high) == (pytest.approx(low, abs=0.04), pytest.approx(high, abs=0.04))
    plain = 2 * min(np.mean(np.array(apart) <= 0), np.mean(np.array(apart) >= 0))
    assert found.p == pytest.approx(plain, abs=0.04)
    alone = [[counted("weighted_f1", truth, side, 3, EACH)] for side in (one, two)]
    narrow = bootstrap(*alone, 60, seed=1, resamples=2000)
    assert narrow.value == pytest.approx(found.value)
    assert narrow.high - narrow.low < 0.8 * (found.high - found.low)


def test_several_seeds_are_averaged() -> None:
    truth = np.array([0, 1] * 30)
    right, wrong = (counted("weighted_f1", truth, said, 2, EACH) for said in (truth, 1 - truth))
    assert bootstrap([wrong, right], [right, right], 60, resamples=50).value == pytest.approx(0.5)


def test_a_run_against_itself_does_not_differ() -> None:
    truth = np.array([0, 1, 2] * 20)
    said = np.roll(truth, 1)
    side = [counted("weighted_f1", truth, said, 3, EACH)]
    found = bootstrap(side, side, 60, resamples=100)
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    right = said == truth
    assert mcnemar(right, right) == 1.0


def test_the_same_seed_draws_the_same() -> None:
    truth = np.arange(60) % 3
    sides = [[counted("uar", truth, said, 3, EACH)] for said in (np.roll(truth, 1), np.where(EACH % 2, truth, 0))]
    assert bootstrap(*sides, 60, seed=5, resamples=200) == bootstrap(*sides, 60, seed=5, resamples=200)


def test_one_conversation_has_no_interval() -> None:
    side = [lambda weights: weights.sum(1)]
    found = bootstrap(side, side, 1)
    assert (found.low, found.p) == (None, None) and "one conversation" in found.why


def test_draws_without_the_number_are_drawn_anew_unless_most_are_such() -> None:
    # The number exists where conversation 0 is drawn: in about 65 of 100 draws of five.
    some = [lambda weights: np.where(weights[:, 0] > 0, 1.0, np.nan)]
    found = bootstrap(some, some, 5, resamples=200)
    assert (found.low, found.high, found.why) == (0.0, 0.0, "")
    none = [lambda weights: np.where(weights[:, 0] > 3, 1.0, np.nan)]
    found = bootstrap(none, none, 5, resamples=200)
    assert found.low is None and "draws the number does not exist" in found.why


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
