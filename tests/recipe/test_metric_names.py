"""Metrics that stand several times in an evaluation: what each is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import ManyErrors
from merc.recipe import load_recipe, write_recipe


def named(metrics: str) -> list[str]:
    recipe = load_recipe("small.yaml", [f"evaluate.metrics={metrics}"])
    assert recipe.evaluate is not None
    return list(recipe.evaluate.metrics)


def error(metrics: str, *overrides: str) -> str:
    with pytest.raises(ManyErrors) as caught:
        load_recipe("small.yaml", [f"evaluate.metrics={metrics}", *overrides])
    (only,) = caught.value.errors
    return only


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("metrics", "names"),
    [
        ("[micro-f1]", ["micro-f1"]),
        ("[{name: micro-f1, exclude: [joy]}]", ["micro-f1"]),
        ("[micro-f1, {name: micro-f1, exclude: [joy]}]", ["micro-f1", "micro-f1-exclude-joy"]),
        ("[{name: micro-f1, exclude: [joy]}, micro-f1]", ["micro-f1", "micro-f1-exclude-none"]),
        ("[toy-metric, {name: toy-metric, top: 3}, {name: toy-metric, as: best, top: 9}]",
         ["toy-metric", "toy-metric-top-3", "best"]),
        ("[{name: micro-f1, as: all}, {name: micro-f1, exclude: [joy]}]", ["all", "micro-f1"]),
        ("[{name: classification, as: classification}]", ["classification"]),
    ],
)  # fmt: skip
def test_each_has_a_name_of_its_own(metrics: str, names: list[str]) -> None:
    assert named(metrics) == names


@pytest.mark.usefixtures("here")
def test_a_long_name_is_cut_and_no_other_is_cut_to_it() -> None:
    words = ["a" * 30, "b" * 30]
    first, *names = named(
        "[micro-f1, "
        + ", ".join(f"{{name: micro-f1, exclude: [{', '.join([*words, end])}]}}" for end in ("joy", "anger"))
        + "]"
    )
    assert first == "micro-f1" and names[0] != names[1]
    assert all(len(name) == 48 and name.startswith("micro-f1-exclude-aaaa") for name in names)


def test_the_recipe_of_a_run_has_the_name(here: Path) -> None:
    recipe = load_recipe("small.yaml", ["evaluate.metrics=[micro-f1, {name: micro-f1, exclude: [joy]}]"])
    write_recipe(here / "kept.yaml", recipe)
    again = load_recipe("kept.yaml")
    assert again.evaluate is not None
    assert list(again.evaluate.metrics) == ["micro-f1", "micro-f1-exclude-joy"]
    assert again.resolved == recipe.resolved
    assert recipe.resolved["evaluate"]["metrics"][1]["as"] == "micro-f1-exclude-joy"


@pytest.mark.usefixtures("here")
def test_a_state_is_chosen_by_that_name() -> None:
    by = "stages.1.trainer={{name: sft, select_by: {}}}".format
    two = "[micro-f1, {name: micro-f1, exclude: [joy]}]"
    load_recipe("small.yaml", [f"evaluate.metrics={two}", by("micro-f1-exclude-joy.micro_f1")])
    assert "no number 'micro-f1.recall' to choose by" in error(two, by("micro-f1.recall"))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("metrics", "where", "holds"),
    [
        ("[micro-f1, {name: micro-f1, exclude: []}]", "evaluate.metrics.1", "twice with the same parameters"),
        ("[micro-f1, {name: toy-metric, as: micro-f1}]", "evaluate.metrics.1.as", "the name of another metric"),
        ("[{name: toy-metric, as: micro-f1-exclude-joy}, micro-f1, {name: micro-f1, exclude: [joy]}]",
         "evaluate.metrics.2", "as: NAME"),
        ("[{name: micro-f1, as: accuracy}]", "evaluate.metrics.0.as", "take another name"),
        ("[{name: micro-f1, as: classification}]", "evaluate.metrics.0.as", "take another name"),
        ("[{name: micro-f1, as: a.b}]", "evaluate.metrics.0.as", "letters, digits"),
        ("[{name: micro-f1, as: ''}]", "evaluate.metrics.0.as", "letters, digits"),
        ("[{name: micro-f1, as: [x]}]", "evaluate.metrics.0.as", "letters, digits"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be(metrics: str, where: str, holds: str) -> None:
    found = error(metrics)
    assert found.startswith(f"{where} (") and holds in found


@pytest.mark.usefixtures("here")
def test_a_run_that_is_trained_may_measure_other_numbers_than_it_chose_by() -> None:
    changes = ["stages.1.trainer={name: sft, select_by: accuracy}", "evaluate.metrics=[micro-f1]"]
    with pytest.raises(ManyErrors, match="no number 'accuracy' to choose by"):
        load_recipe("small.yaml", changes)
    recipe = load_recipe("small.yaml", changes, "evaluate")
    assert recipe.evaluate is not None and list(recipe.evaluate.metrics) == ["micro-f1"]
