"""What a recipe may say of a connector without input, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import MercError
from merc.recipe import load_recipe
from merc.session.data import encoders_of, inputs_of

SOFT = "connectors.prompt={name: soft, length: 4}"
WORDS = [
    "encoders=null", "connectors=null", "fusers=null", SOFT,
    "stages=[{id: merc, prompter: {name: toy-prompt, uses: []}, trainer: {name: toy-trainer}}]",
]  # fmt: skip


def fault(*overrides: str) -> str:
    with pytest.raises(MercError) as caught:
        load_recipe("small.yaml", list(overrides))
    return str(caught.value)


def test_it_needs_no_encoder_and_no_prompter_that_shows_it(here: Path) -> None:
    recipe = load_recipe("small.yaml", [SOFT])
    assert recipe.connectors["prompt"].name == "soft" and not any("'prompt'" in note for note in recipe.notes)
    assert inputs_of(recipe, "prompt") == () and encoders_of(recipe, ["prompt"]) == {}


def test_a_prompter_may_name_it(here: Path) -> None:
    recipe = load_recipe("small.yaml", [SOFT, "stages.0.prompter.uses=[prompt, video]"])
    assert recipe.stages[0].prompter.params["uses"] == ["prompt", "video"]


def test_it_alone_may_learn_beside_a_frozen_backbone(here: Path) -> None:
    frozen = "backbone.tuning={name: frozen}"
    recipe = load_recipe("small.yaml", [*WORDS, frozen, "stages.0.trainable=[connectors.prompt]"])
    assert recipe.stages[0].trainable == ("connectors.prompt",)
    message = fault(*WORDS, frozen, "connectors=null")
    assert "stages.0" in message and "can learn" in message


def test_it_has_a_name_of_its_own(here: Path) -> None:
    for name, kind in (("video", "encoder"), ("both", "fuser")):
        message = fault(f"connectors.{name}={{name: soft}}")
        assert f"connectors.{name}" in message and "takes no input" in message and kind in message


def test_another_connector_still_needs_its_stream(here: Path) -> None:
    message = fault("connectors.prompt={name: linear}")
    assert "connectors.prompt" in message and "no encoder or fuser is called 'prompt'; a connector has" in message


def test_a_wrong_length_is_one_fault(here: Path) -> None:
    message = fault("connectors.prompt={name: soft, length: 0}")
    assert "connectors.prompt" in message and "length counts from 1, not 0" in message
    assert "no encoder or fuser" not in message
