"""The features of a run: runs that differ in their seed share them."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.recipe import Recipe, load_recipe
from merc.recipe.schema import Features
from merc.session.encoding import encode_streams
from merc.session.reporter import Silent
from tests.features.parts import Brightness, clips_talk, part
from tests.media.clips import write_clip


def recipe(folder: Path, seed: int, draw: int = 0) -> Recipe:
    seen = part(Brightness(sampling_="random"))
    return Recipe(
        name="r", corpus=seen, encoders={"seen": seen}, seed=seed, features=Features(store=str(folder), seed=draw)
    )


def test_a_recipe_may_draw_frames_by_its_own_seed(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("corpus: {name: jsonl, path: talk.jsonl}\nseed: 3\n")
    assert load_recipe(str(tmp_path / "r.yaml")).features.seed == 0
    assert load_recipe(str(tmp_path / "r.yaml"), ["features.seed=${seed}"]).features.seed == 3


@pytest.mark.parametrize(("draw", "encoded"), [(0, 0), (1, 2)])
def test_seeds_of_a_run_share_random_frames(tmp_path: Path, draw: int, encoded: int) -> None:
    films = [write_clip(tmp_path / f"{n}.mp4", frames=30 + n) for n in range(2)]
    talks = clips_talk(films)
    first = encode_streams(recipe(tmp_path / "store", 0), ["seen"], talks, Silent(), "cpu")
    assert first.encoded == {"seen": 2}
    other = encode_streams(recipe(tmp_path / "store", 3, draw), ["seen"], talks, Silent(), "cpu")
    assert other.encoded == {"seen": encoded}
