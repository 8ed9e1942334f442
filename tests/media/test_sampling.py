from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merc.components import Frames
from merc.media.sampling import sample

gaps = st.lists(st.floats(0.001, 3.0), min_size=1, max_size=80)
counts = st.integers(1, 90)


@given(gaps, counts, st.sampled_from(["uniform", "random", "middle"]), st.text(max_size=5))
def test_indices_are_sorted_distinct_and_as_many_as_there_can_be(gaps, count, strategy, entropy):
    times = np.cumsum(gaps) - gaps[0]
    chosen = sample(times, 0.0, float(times[-1]) + gaps[0], Frames(count=count, strategy=strategy), entropy)
    assert len(chosen) == min(count, len(times))
    assert (np.diff(chosen) > 0).all()
    assert chosen[0] >= 0 and chosen[-1] < len(times)


@given(st.integers(1, 400), counts, st.sampled_from([24, 25, 30000 / 1001, 60]), st.booleans())
def test_at_a_constant_rate_uniform_takes_the_middles_of_equal_parts(total, count, rate, rounded):
    times = np.arange(total) / rate
    shown = np.round(times, 3) if rounded else times
    chosen = sample(shown, 0.0, total / rate, Frames(count=count), "")
    if total <= count:
        assert chosen.tolist() == list(range(total))
        return
    middles = (np.arange(count) + 0.5) * total / count
    # The frame on show in the middle of the part, give or take what the times are rounded by.
    assert (chosen <= middles + 0.1).all() and (chosen > middles - 1.1).all()


def test_at_a_variable_rate_parts_are_equal_in_time():
    # One frame a second for ten seconds, then a hundred in the eleventh.
    times = np.concatenate([np.arange(10.0), 10 + np.arange(100) / 100])
    chosen = times[sample(times, 0.0, 11.0, Frames(count=11), "")]
    assert chosen.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10.5]


def test_a_frame_that_stays_long_is_not_taken_twice():
    times = np.array([0.0, 9.0, 9.1, 9.2, 9.3])
    assert sample(times, 0.0, 9.4, Frames(count=4), "").tolist() == [0, 1, 2, 3]


def test_middle():
    times = np.arange(9) / 10
    assert sample(times, 0.0, 0.9, Frames(count=1, strategy="middle"), "").tolist() == [4]
    assert sample(times, 0.0, 0.9, Frames(count=3, strategy="middle"), "").tolist() == [3, 4, 5]


def test_random_depends_on_what_it_is_given_and_on_nothing_else():
    times = np.arange(200) / 25
    frames = Frames(count=16, strategy="random")
    first = sample(times, 0.0, 8.0, frames, "1/abc/0")
    assert first.tolist() == sample(times, 0.0, 8.0, frames, "1/abc/0").tolist()
    assert first.tolist() != sample(times, 0.0, 8.0, frames, "1/abc/1").tolist()
    drawn = np.concatenate([sample(times, 0.0, 8.0, frames, f"1/abc/{i}") for i in range(400)])
    share = np.bincount(drawn, minlength=200)
    assert share.min() > 0 and share.max() < 3 * share.mean()


def test_a_recipe_cannot_ask_for_no_frame():
    with pytest.raises(ValueError, match="count from 1"):
        Frames(count=0)
