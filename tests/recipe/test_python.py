"""Recipes composed in Python, with OmegaConf or as plain mappings."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

import merc
from merc.errors import MercError


def test_a_composed_recipe_is_that_of_the_file(here: Path) -> None:
    of_file = merc.load_recipe("small.yaml", ["seed=3", "corpus.path=other"])
    base = OmegaConf.load("small.yaml")
    composed = OmegaConf.merge(base, {"seed": 3, "corpus": {"path": "other"}})
    assert merc.load_recipe(composed).resolved == of_file.resolved
    assert merc.load_recipe(OmegaConf.to_container(composed), ["seed=3"]).resolved == of_file.resolved


def test_it_may_extend_a_file_and_comes_back_as_a_config(here: Path) -> None:
    recipe = merc.load_recipe({"extends": "small.yaml", "title": "Mine"}, ["seed=4"])
    assert (recipe.name, recipe.seed, recipe.config.seed) == ("Mine", 4, 4)
    assert merc.load_recipe(recipe.config).resolved == recipe.resolved


def test_references_are_filled_in_by_merc_alone(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = merc.load_recipe({"extends": "small.yaml", "title": "${corpus.name}"})
    assert recipe.title == recipe.corpus.name
    with pytest.raises(MercError, match=r"oc\.env"):
        merc.load_recipe(OmegaConf.create({"extends": "small.yaml", "title": "${oc.env:HOME}"}))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"extends": "small.yaml", "sed": 1}, "the recipe given in Python"),
        ({"corpus": {"name": object()}}, "no mapping of plain values"),
        ({"extends": "small.yaml", "seed": "x"}, "seed"),
    ],
)
def test_mistakes_are_named(here: Path, given: dict[str, object], said: str) -> None:
    with pytest.raises(MercError, match=said):
        merc.load_recipe(given)
