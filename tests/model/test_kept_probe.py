"""What a backbone can do is found out once for each kind of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from merc.components import Backbone
from merc.model.build import build_model
from merc.model.emotion_model import EmotionModel
from merc.recipe import Recipe, load_recipe
from tests.tiny_backbone import write_tiny_recipe


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return load_recipe(str(write_tiny_recipe(tmp_path_factory.mktemp("tiny"), trainer="epochs: 1")), [])


@pytest.fixture
def probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A cache of the test's own; gives the dtypes of the models that were probed."""
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    dtypes: list[str] = []
    probe = EmotionModel.probe

    def counted(model: EmotionModel) -> None:
        dtypes.append(str(model.base.dtype))
        probe(model)

    monkeypatch.setattr(EmotionModel, "probe", counted)
    return dtypes


def _known(model: EmotionModel) -> tuple[object, ...]:
    passes = model.passes
    return passes.lm_head, passes.additive, passes.tree_by_tree, model.layout, model.note


def test_the_second_model_of_a_kind_takes_what_was_found(recipe: Recipe, probed: list[str]) -> None:
    first = build_model(recipe, "cpu", seed=0)
    second = build_model(recipe, "cpu", seed=1)
    assert probed == ["torch.float32"]
    assert _known(first) == _known(second) == ("plain", False, True, "tree", "")
    ways = {model.base.config._attn_implementation for model in (first, second)}
    assert len(ways) == 1 and ways != {"sdpa"}  # trees are attended to one by one in both


@pytest.mark.usefixtures("computing_bfloat16")
def test_another_kind_is_looked_at_itself(recipe: Recipe, probed: list[str]) -> None:
    build_model(recipe, "cpu", seed=0)
    assert recipe.backbone is not None and isinstance(recipe.backbone.component, Backbone)
    half = replace(recipe.backbone.component, dtype="bfloat16")
    build_model(replace(recipe, backbone=replace(recipe.backbone, component=half)), "cpu", seed=0)
    assert probed == ["torch.float32", "torch.bfloat16"]


@pytest.mark.parametrize("text", ["", "[]", '{"lm_head": "plain", "additive": false, "tree_by_tree": 1}'])
def test_a_damaged_file_is_found_out_anew(recipe: Recipe, probed: list[str], tmp_path: Path, text: str) -> None:
    build_model(recipe, "cpu", seed=0)
    (file,) = (tmp_path / "cache" / "backbones").iterdir()
    whole = file.read_text()
    file.write_text(text)
    build_model(recipe, "cpu", seed=0)
    assert len(probed) == 2 and file.read_text() == whole


def test_a_cache_that_cannot_be_written_is_none(
    recipe: Recipe, probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "file"))
    torch.manual_seed(0)
    assert build_model(recipe, "cpu", seed=0).layout == "tree"
    assert probed == ["torch.float32"]
