"""Labels of past utterances: who learns with them says what is told when it is measured."""

from __future__ import annotations

import pytest

from merc.errors import ManyErrors
from merc.recipe import load_recipe

LEARNS = "stages.1.data.label_history=true"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("said", ["predicted", "gold", "null"])
def test_what_is_told_is_said(said: str) -> None:
    recipe = load_recipe("small.yaml", [LEARNS, f"evaluate.label_history={said}"])
    assert recipe.evaluate is not None
    assert recipe.evaluate.label_history == (None if said == "null" else said)


@pytest.mark.usefixtures("here")
def test_a_model_that_learned_without_may_be_told() -> None:
    # A language model reads them in its prompt, whether or not it was trained with some.
    recipe = load_recipe("small.yaml", ["evaluate.label_history=gold"])
    assert recipe.evaluate is not None and recipe.evaluate.label_history == "gold"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("overrides", "where"),
    [([LEARNS], "evaluate.label_history (small.yaml:29)"), ([LEARNS, "evaluate=null"], "evaluate.label_history")],
)
def test_otherwise_it_is_an_error(overrides: list[str], where: str) -> None:
    with pytest.raises(ManyErrors) as caught:
        load_recipe("small.yaml", overrides)
    (error,) = caught.value.errors
    assert error.startswith(where)
    assert "is missing: stages.1 learns with gold labels of past utterances (data.label_history)" in error
    assert error.endswith(
        "predicted (its own), gold (the corpus's, which a user's recordings do not have), or null (none)"
    )
