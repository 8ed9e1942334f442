"""The backbone of a run, recorded and compared."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from merc.components import Backbone
from merc.errors import MercError
from merc.recipe import Recipe, load_recipe
from merc.session.backbone import backbone_record, check_same, pinned, recorded_backbone, recorded_date
from merc.testing.examples.backbone import Example
from tests.tiny_backbone import save_tiny_backbone

COMMITS = ["0" * 39 + "1", "0" * 39 + "2"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))


def recipe_of(folder: Path, path: str) -> Recipe:
    file = folder / "r.yaml"
    file.write_text(f"corpus: {{name: jsonl, path: t.jsonl}}\nbackbone: {{name: hf, path: {path}}}\n")
    return load_recipe(str(file))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    save_tiny_backbone(tmp_path / "model")
    return recipe_of(tmp_path, str(tmp_path / "model"))


def record(recipe: Recipe) -> dict:
    found = json.loads(json.dumps(backbone_record(recipe)))
    assert isinstance(found, dict)
    return found


def test_a_record_has_a_hash_a_file_and_stays_the_same(recipe: Recipe, tmp_path: Path) -> None:
    found = record(recipe)
    assert found["path"] == str(tmp_path / "model")
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(found["weights"])
    size, sha256 = found["weights"]["model.safetensors"]
    assert size == (tmp_path / "model" / "model.safetensors").stat().st_size and len(sha256) == 64
    assert check_same(recipe, found, Path("run")) == ""
    (tmp_path / "model" / "README.md").write_text("words about it")
    (tmp_path / "model" / "pytorch_model.bin").write_text("not what is loaded")
    assert check_same(recipe, found, Path("run")) == ""


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"])
def test_another_model_of_the_same_path_is_refused(recipe: Recipe, tmp_path: Path, name: str) -> None:
    found = record(recipe)
    save_tiny_backbone(tmp_path / "other", seed=1)
    file = tmp_path / "model" / name
    if name == "model.safetensors":
        file.write_bytes((tmp_path / "other" / name).read_bytes())  # of the same size
    else:
        file.write_text((file.read_text() if file.exists() else "") + " ")
    with pytest.raises(MercError) as caught:
        check_same(recipe, found, Path("a/run"))
    message = str(caught.value)
    assert "a/run" in message and name in message and " 1 of " in message and str(tmp_path / "model") in message


def test_the_same_model_elsewhere_is_the_same(recipe: Recipe, tmp_path: Path) -> None:
    found = record(recipe)
    (tmp_path / "model").rename(tmp_path / "moved")
    assert check_same(recipe_of(tmp_path, str(tmp_path / "moved")), found, Path("run")) == ""


def test_sharded_weights_are_known_by_every_shard(recipe: Recipe, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(tmp_path / "model").save_pretrained(tmp_path / "many", max_shard_size="40KB")
    many = recipe_of(tmp_path, str(tmp_path / "many"))
    found = record(many)
    shards = sorted(f.name for f in (tmp_path / "many").glob("model-*.safetensors"))
    assert len(shards) > 1 and {*shards, "model.safetensors.index.json"} <= set(found["weights"])


def test_what_does_not_say_its_weights_is_used_and_named(recipe: Recipe) -> None:
    old = {"path": "m", "revision": None}  # as it was recorded before weights were
    assert "run" in check_same(recipe, old, Path("run")) and "not known" in check_same(recipe, old, Path("run"))
    assert recipe.backbone is not None

    class Silent(Example):
        def weights(self) -> dict:
            return {}

    random = replace(recipe, backbone=replace(recipe.backbone, component=Silent()))
    assert record(random) == {"layers": 2, "width": 64, "seed": 0}
    assert "not known" in check_same(random, record(random), Path("run"))
    assert pinned(random, old) == random
    assert check_same(replace(recipe, backbone=None), {}, Path("run")) == ""


def hub(folder: Path, *, main: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's cache on disk with two commits of a model; ``main`` is which of them the name stands for now."""
    from huggingface_hub import constants

    place = folder / "models--somebody--tiny"
    for seed, commit in enumerate(COMMITS):
        if not (place / "snapshots" / commit).exists():
            save_tiny_backbone(place / "snapshots" / commit, seed=seed)
    (place / "refs").mkdir(exist_ok=True)
    (place / "refs" / "main").write_text(COMMITS[main])
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(folder), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_a_hub_name_is_recorded_with_its_commit_and_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub(tmp_path / "hub", main=0, monkeypatch=monkeypatch)
    recipe = recipe_of(tmp_path, "somebody/tiny")
    found = record(recipe)
    assert found["commit"] == COMMITS[0] and "model.safetensors" in found["weights"]
    hub(tmp_path / "hub", main=1, monkeypatch=monkeypatch)
    with pytest.raises(MercError, match=f"somebody/tiny, commit {COMMITS[0]}.*model.safetensors"):
        check_same(recipe, found, Path("run"))
    kept = pinned(recipe, found)
    assert check_same(kept, found, Path("run")) == ""
    assert kept.backbone is not None and isinstance(kept.backbone.component, Backbone)
    assert kept.backbone.component.identity()["commit"] == COMMITS[0]


def test_a_model_that_was_not_fetched_has_no_commit_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub(tmp_path / "hub", main=0, monkeypatch=monkeypatch)
    assert record(recipe_of(tmp_path, "somebody/else")) == {"path": "somebody/else", "revision": None}


def test_provenance_that_is_damaged_or_absent(tmp_path: Path) -> None:
    file = tmp_path / "provenance.json"
    assert recorded_backbone(file) == {} and recorded_date(file) == date(2024, 7, 26)
    for text in ("", "[]", '{"backbone": [1], "chat_date": 7}', '{"backbone": 7, "started": "yesterday"}'):
        file.write_text(text)
        for read in (recorded_backbone, recorded_date):
            with pytest.raises(MercError, match=r"provenance\.json is damaged"):
                read(file)


def test_the_date_of_a_run(tmp_path: Path) -> None:
    file = tmp_path / "provenance.json"
    file.write_text('{"chat_date": "2024-07-26", "started": "2026-01-02T03:04:05+00:00"}')
    assert recorded_date(file) == date(2024, 7, 26)
    file.write_text('{"started": "2026-01-02T03:04:05+00:00"}')  # its template was given the clock
    assert recorded_date(file) == date(2026, 1, 2)
