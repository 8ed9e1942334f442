"""What is swept over: how values are written, every combination of them, and settings that are drawn."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_sweep.settings import Axis, Range, read_changes, settings

from merc import MercError


def axis(key: str, count: int) -> Axis:
    return Axis((key,), tuple({key: str(number)} for number in range(count)))


def test_values_stay_as_they_are_written() -> None:
    shared, axes = read_changes(
        ["lr=[1e-4, 0.001]", "labels=[[joy, anger], ['a, b', c]]", "r, alpha=[[4, 8], [8, {x: 1}]]", "device=cpu",
         "backbone.tuning=[{name: lora, r: 4}, {name: full}]", "path=a=b", "splits=[[dev]]",
         "wide={low: 1e-5, high: 1e-3, log: true}",
         "section={low: 1, other: 2}"]
    )  # fmt: skip
    assert shared == ["device=cpu", "path=a=b", "splits=[dev]", "section={low: 1, other: 2}"]
    assert axes == [
        Axis(("lr",), ({"lr": "1e-4"}, {"lr": "0.001"})),
        Axis(("labels",), ({"labels": "[joy, anger]"}, {"labels": "['a, b', c]"})),
        Axis(("r", "alpha"), ({"r": "4", "alpha": "8"}, {"r": "8", "alpha": "{x: 1}"})),
        Axis(("backbone.tuning",), ({"backbone.tuning": "{name: lora, r: 4}"}, {"backbone.tuning": "{name: full}"})),
        Range("wide", 1e-5, 1e-3, True),
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["lr"], "'lr': key=value or key=[value, value] was expected"),
        (["lr=[]"], "it lists 0; write lr=VALUE for all runs"),
        (["evaluate.splits=[dev]"], "it lists 1; write evaluate.splits=VALUE for all runs, or evaluate.splits=[[...]]"),
        (["lr=[1, 2"], "no YAML"),
        (["r,alpha=[1, 2]"], "each item wants 2 values, one for each of r, alpha"),
        (["r,alpha=1"], "a list of lists"),
        (["lr=[1, 3]", "lr=2"], "lr is named twice"),
        (["lr={low: 2, high: 1}"], "low is below high"),
        (["lr={low: 0, high: 1, log: true}"], "above 0 with log"),
        (["lr={low: a, high: 1}"], "low and high are numbers"),
        (["lr=[1e-3, 1e-2, 1e-3]"], "1e-3 stands there twice, and its runs would be the same"),
        (["r,alpha=[[4, 8], [4, 8]]"], "4, 8 stands there twice"),
    ],
)
def test_what_is_no_value(changes: list[str], said: str) -> None:
    with pytest.raises(MercError) as raised:
        read_changes(changes)
    assert said in str(raised.value)


SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=3)
AXES = SIZES.map(lambda sizes: [axis(f"k{number}", size) for number, size in enumerate(sizes)])


@given(AXES, st.integers(1, 3))
def test_a_grid_is_every_combination_with_every_seed(axes: list[Axis], seeds: int) -> None:
    every = settings([*axes, axis("seed", seeds)], None, 0)
    total = seeds
    for one in axes:
        total *= len(one.values)
    assert len(every) == len({str(sorted(setting.items())) for setting in every}) == total
    assert {setting["seed"] for setting in every} == {str(number) for number in range(seeds)}


@given(AXES, st.integers(0, 5), st.data())
def test_drawn_settings_are_of_the_grid_and_differ_and_more_begin_alike(
    axes: list[Axis], seed: int, data: st.DataObject
) -> None:
    grid = settings(axes, None, 0)
    count = data.draw(st.integers(1, len(grid)))
    drawn = settings(axes, count, seed)
    assert len(drawn) == count and all(setting in grid for setting in drawn)
    assert len({str(setting) for setting in drawn}) == count
    assert settings(axes, len(grid), seed)[:count] == drawn == settings(axes, count, seed)


def test_ranges_are_drawn_from() -> None:
    axes = [Range("lr", 1e-5, 1e-3, True), Range("r", 4, 64, False), axis("seed", 2)]
    drawn = settings(axes, 200, 0)
    assert len(drawn) == 400 and drawn[0] == {**drawn[1], "seed": "0"}
    rates = [float(setting["lr"]) for setting in drawn]
    assert min(rates) >= 1e-5 and max(rates) <= 1e-3 and 0.4 < sum(rate < 1e-4 for rate in rates) / 400 < 0.6
    assert all(4 <= int(setting["r"]) <= 64 for setting in drawn)
    assert settings(axes, 200, 1) != drawn


def test_whole_numbers_are_drawn_between_ends_without_a_point() -> None:
    _, axes = read_changes(["p={low: 0.0, high: 1.0}", "r={low: 4, high: 6}", "q={low: 0, high: 1.0}"])
    drawn = settings(axes, 30, 0)
    assert len({setting["p"] for setting in drawn}) == len({setting["q"] for setting in drawn}) == 30
    assert {setting["r"] for setting in drawn} == {"4", "5", "6"}


@pytest.mark.parametrize("low", [0, -1, 1])
def test_each_whole_number_is_as_likely(low: int) -> None:
    draw, drawn = random.Random(0), Range("r", low, low + 2, False)
    values = [drawn.draw(draw)["r"] for _ in range(6000)]
    for number in range(low, low + 3):
        assert abs(values.count(str(number)) - 2000) < 150


def test_whole_numbers_of_a_logarithmic_range_are_as_likely_as_what_is_rounded_to_them_is() -> None:
    draw, drawn = random.Random(0), Range("r", 1, 4, True)
    values = [drawn.draw(draw)["r"] for _ in range(10_000)]
    assert set(values) == {"1", "2", "3", "4"}
    for number in range(1, 5):
        share = math.log((number + 0.5) / (number - 0.5)) / math.log(4.5 / 0.5)
        assert abs(values.count(str(number)) / 10_000 - share) < 0.02


@pytest.mark.parametrize(
    ("axes", "count", "said"),
    [
        ([Range("lr", 0, 1, False)], None, "lr has a range, which is drawn from; add --random N"),
        ([axis("lr", 3)], 4, "--random 4: there are 3 settings; leave it out"),
        ([axis("lr", 3)], 0, "counts settings from 1, not 0"),
        ([axis("seed", 3)], 2, "no key has several but the seed"),
        ([Range("r", 1, 3, False)], 9, "only 3 different settings were drawn"),
    ],
)
def test_what_cannot_be_drawn(axes: list[Axis | Range], count: int | None, said: str) -> None:
    with pytest.raises(MercError) as raised:
        settings(axes, count, 0)
    assert said in str(raised.value)
