"""The survey's connectors and fusers at paper scale: each row of the table says how many parameters learn."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.cli.main import app
from merc.errors import MercError
from merc.recipe import load_recipe
from merc.registry import get_registry

RECIPES = Path(__file__).parents[3] / "recipes"
README = (RECIPES / "survey/README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"`merc params (survey/(?:connector|fuser)-paper[^`]*)`", README)
SMALL = re.findall(r"`merc run (survey/(?:connector|fuser)-[^`]*)`", README)


def test_every_component_has_a_row() -> None:
    """A small recipe, and the same at paper scale."""
    names = {
        name
        for command in (*ROWS, *SMALL)
        for name in re.findall(r"name: ([a-z-]+)", command) + re.findall(r"(?:connector|fuser)-([a-z-]+)", command)
    }
    (plugin,) = (one for one in get_registry().plugins() if one.name == "merc-fusion")
    own = {component.name for component in plugin.components}
    assert len(own) == 17 and own <= names


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_a_row_at_paper_scale(row: str) -> None:
    try:
        get_registry().resolve("encoder", "eva")
        get_registry().resolve("encoder", "whisper")
        get_registry().resolve("corpus", "meld")
    except MercError as error:
        pytest.skip(str(error))
    recipe, *changes = shlex.split(row)
    arguments = [str(RECIPES / f"{recipe}.yaml"), *changes]
    done = CliRunner().invoke(app, ["params", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    parts = json.loads(done.stdout)["parts"]
    assert parts["backbone"]["total"] == 6_738_415_616
    for kind in ("connectors", "fusers"):
        for name in getattr(load_recipe(arguments[0], changes), kind):
            assert parts[f"{kind}.{name}"]["trainable"] == parts[f"{kind}.{name}"]["total"] > 0
