"""The features of a run: runs that differ in their seed share them."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.recipe import Recipe
from merc.recipe.schema import Features
from merc.run.encoding import encode_streams
from merc.run.reporter import Silent
from tests.features.parts import Brightness, clips_talk, part
from tests.media.clips import write_clip


def recipe(folder: Path, seed: int, draw: int = 0) -> Recipe:
    seen = part(Brightness(sampling_="random"))
    return Recipe(
        name="r", corpus=seen, encoders={"seen": seen}, seed=seed, features=Features(store=str(folder), seed=draw)
    )


@pytest.mark.parametrize(("draw", "encoded"), [(0, 0), (1, 2)])
def test_seeds_of_a_run_share_random_frames(tmp_path: Path, draw: int, encoded: int) -> None:
    films = [write_clip(tmp_path / f"{n}.mp4", frames=30 + n) for n in range(2)]
    talks = clips_talk(films)
    first = encode_streams(recipe(tmp_path / "store", 0), ["seen"], talks, Silent(), "cpu")
    assert first.encoded == {"seen": 2}
    other = encode_streams(recipe(tmp_path / "store", 3, draw), ["seen"], talks, Silent(), "cpu")
    assert other.encoded == {"seen": encoded}
