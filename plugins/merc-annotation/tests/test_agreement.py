"""Measures of agreement against published worked examples, scipy and scikit-learn."""

import math

import numpy as np
import pytest
from merc_annotation.agreement import (
    agreement_rate,
    cohen_kappa,
    fleiss_kappa,
    icc,
    interval,
    krippendorff_alpha,
    measures_of,
    spearman,
)
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): four observers, twelve units, some not rated.
OBSERVERS = {
    "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
}
UNITS = [{name: row[at] for name, row in OBSERVERS.items() if row[at] is not None} for at in range(12)]
# Fleiss, "Measuring nominal scale agreement among many raters" (1971): how many of 14 raters chose each category.
FLEISS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1], [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
# Shrout and Fleiss, "Intraclass correlations" (1979), table 2: six targets, four judges.
JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
TARGETS = [dict(zip("abcd", row, strict=True)) for row in JUDGES]


@pytest.mark.parametrize(("scale", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_krippendorffs_own(scale, alpha) -> None:
    assert round(krippendorff_alpha(UNITS, scale), 3) == alpha


def test_alpha_of_words_in_an_order() -> None:
    words = ["none", "little", "some", "much", "most"]
    worded = [{name: words[value - 1] for name, value in item.items()} for item in UNITS]
    assert krippendorff_alpha(worded, "ordinal", words) == krippendorff_alpha(UNITS, "ordinal")


def test_fleiss_kappa_is_fleiss_own() -> None:
    items = []
    for counts in FLEISS:
        votes = [category for category, count in enumerate(counts) for _ in range(count)]
        items.append({f"r{at}": vote for at, vote in enumerate(votes)})
    assert round(fleiss_kappa(items), 3) == 0.210
    short = [*items, {"r0": 1, "r1": 1}]
    assert fleiss_kappa(short) == fleiss_kappa(items)  # an item that others rated less often is left out


def test_icc_is_shrout_and_fleiss_own() -> None:
    assert round(icc(TARGETS, "2,1"), 2) == 0.29
    assert round(icc(TARGETS, "3,k"), 2) == 0.91


def test_icc_counts_a_shift_in_level_only_where_it_should() -> None:
    shifted = [{"a": value, "b": value + 3} for value in range(6)]
    assert icc(shifted, "3,k") == pytest.approx(1.0)
    assert icc(shifted, "2,1") < 0.5
    assert math.isnan(icc([{"a": 1, "b": 2}], "2,1")) and math.isnan(icc([{"a": 1, "b": 1}] * 4, "3,k"))


def test_kappa_and_spearman_are_those_of_libraries() -> None:
    draw = np.random.default_rng(0)
    one = draw.integers(0, 4, 60)
    two = np.where(draw.random(60) < 0.6, one, draw.integers(0, 4, 60))
    items = [{"a": int(a), "b": int(b)} for a, b in zip(one, two, strict=True)]
    assert cohen_kappa(items, "a", "b") == pytest.approx(cohen_kappa_score(one, two))
    assert spearman(items, "a", "b") == pytest.approx(spearmanr(one, two).statistic)


def test_intervals_hold_the_value_and_are_the_same_every_time() -> None:
    low, high = interval(UNITS, krippendorff_alpha)
    assert low < krippendorff_alpha(UNITS) <= high
    assert interval(UNITS, krippendorff_alpha) == (low, high)


def test_raters_who_saw_different_clips_are_told_so() -> None:
    items = [{"a": 1}, {"a": 2}, {"b": 1}, {"b": 2}]
    measures = {one.name: one for one in measures_of(items, "interval")}
    kappa = measures["Cohen's kappa, a and b"]
    assert math.isnan(kappa.value) and kappa.words == "not defined: a and b rated no item together"
    assert math.isnan(measures["ICC(2,1)"].value) and math.isnan(agreement_rate(items))


def test_plain_words_follow_the_published_bands() -> None:
    items = [{"a": value % 3, "b": value % 3} for value in range(30)]
    measures = {one.name: one for one in measures_of(items, "interval")}
    assert measures["Cohen's kappa, a and b"].words == "almost perfect agreement"
    assert measures["ICC(3,k)"].words == "excellent agreement"
    assert {"agreement rate", "Spearman, a and b", "Krippendorff's alpha (interval)"} <= measures.keys()


def test_words_are_no_numbers() -> None:
    with pytest.raises(ValueError, match="'joy' is no number, and an interval scale needs numbers"):
        measures_of([{"a": "joy", "b": "joy"}], "interval")
