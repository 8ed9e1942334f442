"""Every recipe that comes with merc is valid, and says how it is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.recipe import load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
FILES = sorted(RECIPES.rglob("*.yaml"))


def test_there_are_recipes() -> None:
    assert {"quickstart.yaml", "meld-text.yaml"} <= {file.name for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(RECIPES).as_posix())
def test_it_is_valid(file: Path) -> None:
    recipe = load_recipe(str(file))
    assert recipe.title
    assert recipe.stages or recipe.evaluate or recipe.annotators


@pytest.mark.parametrize("other", ["bemerc/meld-prosody", "meld-voice", "meld-voice-alone"])
def test_what_is_compared_with_the_words_of_meld_learns_as_they_do(other: str) -> None:
    """Words, voice as tokens, voice in words and voice alone differ in what the prompt shows, and in nothing else."""
    words, compared = (load_recipe(str(RECIPES / f"{name}.yaml")).resolved for name in ("meld-text", other))
    (one,), (two,) = words["stages"], compared["stages"]
    assert {**two["trainer"], "connector_lr": None} == {**one["trainer"], "connector_lr": None}
    shown = {"cues", "media", *(("words", "speakers", "question") if other == "meld-voice-alone" else ())}
    kept = [{key: value for key, value in stage["prompter"].items() if key not in shown} for stage in (one, two)]
    assert kept[0] == kept[1]
    assert [words[key] == compared[key] for key in ("backbone", "corpus", "evaluate")] == [True, True, True]
