"""``init_from`` in a recipe: a path like others, and only where something is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import ManyErrors
from merc.recipe import dump_recipe, load_recipe


def test_the_run_need_not_be_there(here: Path) -> None:
    assert load_recipe("small.yaml").init_from is None
    recipe = load_recipe("small.yaml", ["init_from=runs/first"])
    assert recipe.init_from == here / "runs/first"
    Path("again.yaml").write_text(dump_recipe(recipe))
    assert load_recipe("again.yaml").init_from == recipe.init_from


@pytest.mark.usefixtures("here")
def test_nothing_starts_where_nothing_is_trained() -> None:
    with pytest.raises(ManyErrors) as caught:
        load_recipe("small.yaml", ["init_from=runs/first", "stages=[]", "evaluate=null"])
    assert caught.value.errors == [
        "init_from (command line): is where training starts from, and the recipe has no stages; take it out, or for "
        "the numbers of that run use merc evaluate"
    ]
