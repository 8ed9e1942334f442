"""What belongs to the work that a recipe describes, and what only to where and how fast it is done."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from merc.recipe import Recipe, load_recipe


@pytest.fixture
def recipe(tmp_path: Path):
    (tmp_path / "talk.yaml").write_text("corpus: {name: jsonl, path: talk.jsonl}\n")

    def load(*overrides: str) -> Recipe:
        return load_recipe(str(tmp_path / "talk.yaml"), overrides)

    return load


@pytest.mark.parametrize("change", ["features.store=/elsewhere", "features.workers=9", "strategy.batch_tokens=64"])
def test_place_and_speed_are_no_content(recipe, change: str) -> None:
    assert recipe(change).content == recipe().content


@pytest.mark.parametrize(
    "change",
    ["features.seed=1", "features.decode_seconds=9", "features.decode_gigabytes=1", "features.decode_megapixels=9"],
)
def test_frames_and_limits_of_decoding_are_content(recipe, change: str) -> None:
    assert recipe(change).content != recipe().content


def test_a_hash_from_before_features_counted_is_that_of_unchanged_features(recipe) -> None:
    def hash_of(values: dict) -> str:
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()

    resolved = recipe("features.workers=9").resolved
    before = {name: value for name, value in resolved.items() if name not in ("strategy", "features")}
    assert hash_of(recipe().content) == hash_of(before)
