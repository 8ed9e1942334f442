"""Every recipe that comes with merc is valid, and says how it is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.recipe import load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
FILES = sorted(RECIPES.rglob("*.yaml"))


def test_there_are_recipes() -> None:
    assert {"quickstart.yaml", "meld-text.yaml"} <= {file.name for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(RECIPES).as_posix())
def test_it_is_valid(file: Path) -> None:
    recipe = load_recipe(str(file))
    assert recipe.title
    assert recipe.stages or recipe.evaluate or recipe.annotators
