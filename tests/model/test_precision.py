"""What a device computes in, where it lacks instructions for what a recipe wants."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from merc.model.build import build_model
from merc.model.precision import computed_in
from merc.recipe import load_recipe
from tests.tiny_backbone import write_tiny_recipe


@pytest.mark.parametrize(("instructions", "used"), [(True, "bfloat16"), (False, "float32")])
def test_a_cpu_without_instructions_for_bfloat16_computes_in_float32(
    instructions: bool, used: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merc.model.precision.computes_bfloat16", lambda device: instructions)
    assert computed_in("bfloat16", "cpu") == used
    assert [computed_in(other, "cpu") for other in ("model", "float32", "float16")] == ["model", "float32", "float16"]
    recipe = load_recipe(str(write_tiny_recipe(tmp_path, trainer="epochs: 1")), ["backbone.dtype=bfloat16"])
    model = build_model(recipe, "cpu", seed=0)
    assert model.base.dtype == getattr(torch, used)
    assert model.backbone is not None and model.backbone.dtype == used


def test_a_gpu_is_asked_for_what_the_recipe_says() -> None:
    assert computed_in("bfloat16", "cuda:0") == "bfloat16"
