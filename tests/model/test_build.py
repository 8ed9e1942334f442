"""What is found out about a recipe's model before any of it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import MercError
from merc.model.build import check_backbone
from merc.recipe import load_recipe
from tests.tiny_backbone import write_tiny_recipe


def test_a_tuning_that_does_not_fit_the_backbone_is_found_without_its_weights(tmp_path: Path) -> None:
    recipe = write_tiny_recipe(tmp_path)
    check_backbone(load_recipe(recipe))
    with pytest.raises(MercError, match=r"backbone\.tuning.*no_such_layer"):
        check_backbone(load_recipe(recipe, ["backbone.tuning.targets=[no_such_layer]"]))
