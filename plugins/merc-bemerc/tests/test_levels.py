import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_bemerc.levels import MEASURES, Levels, describe

QUANTILES = (0.2, 0.4, 0.6, 0.8)


def test_each_level_holds_its_share():
    values = [{"pitch": float(value)} for value in np.random.default_rng(0).permutation(100)]
    levels = Levels.of(values, QUANTILES, 10)
    counts = np.bincount([levels.level("pitch", one["pitch"]) for one in values])
    assert counts.tolist() == [20] * 5


def test_too_few_values_give_no_level():
    values = [{"pitch": 1.0, "rate": 2.0}] * 4 + [{"rate": 3.0}]
    levels = Levels.of(values, QUANTILES, 5)
    assert levels.level("pitch", 1.0) is None
    assert levels.level("rate", 3.0) is not None


@given(st.lists(st.floats(-100, 100), min_size=5, max_size=40), st.sampled_from([(0.33, 0.67), QUANTILES]))
def test_a_higher_value_never_has_a_lower_level(values, quantiles):
    levels = Levels.of([{"rate": value} for value in values], quantiles, 5)
    found = [levels.level("rate", value) for value in sorted([*values, -101.0, 101.0])]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, len(quantiles))


@given(st.floats(-100, 100), st.sampled_from([(0.33, 0.67), QUANTILES]))
def test_who_is_always_the_same_is_in_the_middle(value, quantiles):
    assert Levels.of([{"rate": value}] * 5, quantiles, 5).level("rate", value) == len(quantiles) // 2


def test_five_levels_in_words():
    told = [describe(dict.fromkeys(MEASURES, level), 5) for level in range(5)]
    assert told[0] == (
        "very low volume with very low variation, very low pitch with very low variation, "
        "very slow speaking rate with very low variation"
    )
    assert told[2] == ", ".join(f"medium {what} with medium variation" for what in ("volume", "pitch", "speaking rate"))
    assert told[4].endswith("very fast speaking rate with very high variation")


@pytest.mark.parametrize(
    ("levels", "unpitched", "text"),
    [
        ({"rate": 0}, True, "no measurable pitch, slow speaking rate"),
        ({"rate": 0}, False, "slow speaking rate"),
        ({"pitch": 1, "pitch_variation": 2}, False, "medium pitch with high variation"),
    ],
)
def test_what_has_no_level_is_left_out(levels, unpitched, text):
    assert describe(levels, 3, unpitched) == text
