"""What is found out about a recipe's model before any of it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import MercError
from merc.model.build import check_backbone
from merc.recipe import Recipe, load_recipe
from tests.tiny_backbone import write_tiny_recipe


def test_a_tuning_that_does_not_fit_the_backbone_is_found_without_its_weights(tmp_path: Path) -> None:
    recipe = write_tiny_recipe(tmp_path)
    check_backbone(load_recipe(recipe))
    with pytest.raises(MercError, match=r"backbone\.tuning.*no_such_layer"):
        check_backbone(load_recipe(recipe, ["backbone.tuning.targets=[no_such_layer]"]))


def test_a_name_of_a_later_stage_is_found_before_the_first_stage_trains(tmp_path: Path) -> None:
    recipe = write_tiny_recipe(tmp_path)
    stage = "{id: %s, prompter: {name: conversation}, trainer: {name: sft}, trainable: [%s]}"

    def second_learns(name: str) -> Recipe:
        return load_recipe(recipe, [f"stages=[{stage % ('first', 'backbone')}, {stage % ('second', name)}]"])

    check_backbone(second_learns("backbone.*.layers.0.*"))
    with pytest.raises(MercError) as caught:
        check_backbone(second_learns("backbone.*.layers.99.*"))
    said = "stage second: trainable: no parameter that may learn is called 'backbone.*.layers.99.*'; backbone has "
    assert str(caught.value).startswith(said)
