"""Hit rate and open-vocabulary F, against their definitions written out and against known values."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_emotion_llama.wheel_scores import hit_rate, wheel_f
from merc_emotion_llama.wheels import Wheels, read_wheels

from merc import MercError

TRUTHS = {"a": "happy", "b": "sad", "c": "neutral", "d": "worried", "e": "angry", "f": "surprise"}
SAID = {"a": ["joyful", "excited"], "b": ["angry"], "c": ["neutral", "calm"], "d": ["anxious", "concerned"],
        "e": ["frustrated", "irritated"], "f": []}  # fmt: skip


@pytest.mark.data
def test_known_values_on_the_published_wheels(real_wheels: Path) -> None:
    wheels = read_wheels(real_wheels)
    found = hit_rate(TRUTHS, SAID, wheels)
    assert (found.hit_rate, found.hit_precision) == (pytest.approx(0.63), pytest.approx(0.55))
    assert (found.samples, found.excluded, found.labels_per_sample) == (5, 1, 7 / 5)
    f = wheel_f(
        {"a": ["happy", "surprised"], "b": ["sad", "disappointed"], "c": ["angry", "worried"]},
        {"a": ["joyful"], "b": ["angry", "sad"], "c": ["frustrated", "anxious", "calm"]},
        wheels,
    )
    assert f.f == f.f_or_nan == pytest.approx(0.676037, abs=5e-7)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "samples", "excluded"),
    [("iemocap_Session5", 1496, 386), ("meld_emotion_test", 2610, 1256), ("mer2023_test1", 411, 88),
     ("mer2024_semi_other", 1169, 201)],
)  # fmt: skip
def test_an_answer_that_lists_every_label_hits_always_and_is_seldom_precise(
    real_wheels: Path, name: str, samples: int, excluded: int
) -> None:
    wheels = read_wheels(real_wheels)
    with np.load(real_wheels / f"gt_{name}.npz", allow_pickle=False) as table:
        truths = {key: str(table[key]) for key in table.files}
    assert len(truths) == samples and Counter(truths.values())["neutral"] == excluded
    every = sorted(set(truths.values()))
    found = hit_rate(truths, dict.fromkeys(truths, every), wheels)
    assert found.hit_rate == 1.0 and found.hit_precision < 0.6
    assert (found.samples, found.excluded, found.labels_per_sample) == (samples - excluded, excluded, len(every))
    right = hit_rate(truths, {key: [truth] for key, truth in truths.items()}, wheels)
    assert (right.hit_rate, right.hit_precision) == (1.0, 1.0)


def test_hit_rate_is_the_mean_over_the_wheels_of_what_each_counts(wheels_folder: Path) -> None:
    wheels = read_wheels(wheels_folder)
    truths = {"a": "happy", "b": "sad", "c": "neutral"}
    found = hit_rate(truths, {"a": ["joy", "anger"], "b": ["mad"], "c": ["calm"]}, wheels)
    # wheels 1 and 4: {happy, mad} to {happy}, {mad} to {sad}; candidates happy and sad
    # wheel 2: angry stands among the sad: {joyful, sad} to {joyful}, {sad} to {sad}
    # wheel 3: {calm, sad} to {calm}, {sad} to {sad}; wheel 5 has no sad, so b is not counted
    assert found.by_wheel == ((0.5, 0.5, 2), (1.0, 0.75, 2), (1.0, 0.75, 2), (0.5, 0.5, 2), (1.0, 1.0, 1))
    assert found.hit_rate == pytest.approx((0.5 + 1 + 1 + 0.5 + 1) / 5)
    assert found.hit_precision == pytest.approx((0.5 + 0.75 + 0.75 + 0.5 + 1) / 5)
    assert (found.samples, found.excluded, found.labels_per_sample) == (2, 1, 1.5)


def test_without_any_overlap_f_is_0_and_the_published_number_is_nan(wheels_folder: Path) -> None:
    found = wheel_f({"a": ["happy"]}, {"a": ["sad"]}, read_wheels(wheels_folder))
    assert found.f == 0.0 and math.isnan(found.f_or_nan)
    # one wheel without overlap is enough for it: wheel 3 has mad below sad
    half = wheel_f({"a": ["sad"]}, {"a": ["anger"]}, read_wheels(wheels_folder))
    assert half.f == pytest.approx(2 / 4) and math.isnan(half.f_or_nan)


def test_f_is_of_the_mean_precision_and_the_mean_recall(wheels_folder: Path) -> None:
    wheels = read_wheels(wheels_folder)
    found = wheel_f({"a": ["happy", "sad"], "b": ["angry"]}, {"a": ["glad"], "b": ["mad", "happy", "sad"]}, wheels)
    # wheel 1: precision 1 and 1/3, recall 1/2 and 1
    precision, recall = (1 + 1 / 3) / 2, (1 / 2 + 1) / 2
    assert found.by_wheel[0] == (pytest.approx(2 * precision * recall / (precision + recall)), precision, recall, 2)
    assert found.labels_per_sample == 2.0


def test_where_nothing_is_counted_there_is_no_number(wheels_folder: Path) -> None:
    wheels = read_wheels(wheels_folder)
    found = hit_rate({"a": "neutral"}, {"a": ["happy"]}, wheels)
    assert (found.hit_rate, found.hit_precision, found.samples, found.excluded) == (None, None, 0, 1)
    assert wheel_f({"a": ["neutral"]}, {"a": ["happy"]}, wheels).f is None


@pytest.mark.parametrize("score", [hit_rate, wheel_f])
def test_a_missing_prediction_is_an_error_that_lists_the_ids(score, wheels_folder: Path) -> None:
    wheels = read_wheels(wheels_folder)
    with pytest.raises(MercError, match=r"2 of 3 samples have no prediction: b, c$"):
        score({"a": "happy", "b": "sad", "c": "angry"}, {"a": ["happy"]}, wheels)
    with pytest.raises(MercError, match=r"1 of 2 samples were predicted but are unknown: z$"):
        score({"a": "happy"}, {"a": ["happy"], "z": ["sad"]}, wheels)
    with pytest.raises(MercError, match="10 more"):
        score({str(i): "happy" for i in range(60)}, {}, wheels)


WORDS = st.sampled_from(["happy", "Glad", "joy", "sad", "gloomy", "anger", "mad", "calm", "neutral", "xyz"])
SAMPLES = st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=4)), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def wheels(wheels_folder: Path) -> Wheels:
    return read_wheels(wheels_folder)


@given(SAMPLES, st.randoms())
def test_scores_are_bounded_and_do_not_depend_on_the_order(wheels: Wheels, samples, random) -> None:
    truths = {str(i): truth for i, (truth, _) in enumerate(samples)}
    answers = {str(i): said for i, (_, said) in enumerate(samples)}
    sets = {name: [truth] for name, truth in truths.items()}
    order = list(truths)
    random.shuffle(order)
    other = {name: random.sample(answers[name], len(answers[name])) for name in order}
    one, two = hit_rate(truths, answers, wheels), hit_rate({n: truths[n] for n in order}, other, wheels)
    assert one == two
    f, g = wheel_f(sets, answers, wheels), wheel_f({n: sets[n] for n in order}, other, wheels)
    assert (f.f, f.precision, f.recall, f.by_wheel) == (g.f, g.precision, g.recall, g.by_wheel)
    assert one.samples + one.excluded == f.samples + f.excluded == len(samples)
    for value in (one.hit_rate, one.hit_precision, f.f, f.precision, f.recall):
        assert value is None or 0 <= value <= 1
    if one.hit_rate is not None:
        assert one.hit_precision <= one.hit_rate + 1e-12
        assert f.recall == pytest.approx(one.hit_rate)  # with one true label a sample they are the same


@given(SAMPLES)
def test_listing_every_label_hits_always_and_is_as_precise_as_there_are_clusters(wheels: Wheels, samples) -> None:
    truths = {str(i): truth for i, (truth, _) in enumerate(samples)}
    found = hit_rate(truths, dict.fromkeys(truths, sorted(set(truths.values()))), wheels)
    for wheel, (rate, precision, counted) in enumerate(found.by_wheel):
        if counted:
            assert rate == 1.0
            assert precision == pytest.approx(1 / len(wheels.map(truths.values(), wheel)))
