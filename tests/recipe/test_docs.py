"""docs/recipes.md is true: its recipes load, its commands work, and every section and key is in it."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from merc.builtin.tunings import LoRA
from merc.errors import MercError
from merc.recipe import Evaluate, Features, Splitting, Stage, StageData, Strategy, Task, load_recipe
from merc.recipe.build import SECTIONS
from merc.registry import get_registry

PAGE = (Path(__file__).parents[2] / "docs/recipes.md").read_text()
RECIPES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
CONSOLE = "".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", "")
COMMANDS = re.findall(r"^\$ merc validate (.*)$", CONSOLE, re.MULTILINE)
ERRORS = "".join(re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def page(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the page's first recipe in it, and the plugins that a contributor has installed."""
    monkeypatch.setenv("MERC_PLUGINS", "merc-embedded,merc-bemerc,merc-robustness")
    get_registry.cache_clear()
    try:
        get_registry().resolve("encoder", "face-emotion")
        get_registry().resolve("annotator", "observer")
    except MercError as error:
        pytest.skip(str(error))
    (here / "talks.yaml").write_text(RECIPES[0])
    return here


def test_the_whole_recipe_is_whole(page: Path) -> None:
    recipe = load_recipe("talks.yaml")
    assert set(SECTIONS) == {key for key in SECTIONS if re.search(f"^{key}:", RECIPES[0], re.MULTILINE)}
    assert [stage.id for stage in recipe.stages] == ["align", "merc"]


@pytest.mark.parametrize("text", RECIPES[1:], ids=[text.splitlines()[0] for text in RECIPES[1:]])
def test_parts_of_recipes_fit_over_it(page: Path, text: str) -> None:
    head = "" if text.startswith("extends:") else "extends: talks.yaml\n"
    (page / "part.yaml").write_text(head + text)
    load_recipe("part.yaml")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(page: Path, command: str) -> None:
    recipe, *overrides = shlex.split(command)
    load_recipe(recipe, overrides)


def test_errors_look_like_that(page: Path) -> None:
    command, said = ERRORS.split("\nerror: ")
    recipe, *overrides = shlex.split(command.removeprefix("$ merc validate "))
    with pytest.raises(MercError) as caught:
        load_recipe(recipe, overrides)
    assert said.split() == str(caught.value).split()


def test_every_key_is_described() -> None:
    keys = {*SECTIONS, "extends"}
    for section in (LoRA, Stage, Splitting, Task, StageData, Evaluate, Strategy, Features):
        keys |= {field.name for field in dataclasses.fields(section) if field.name != "path"}
    lacking = sorted(key for key in keys if not re.search(rf"`{key}`|^### .*\b{key}\b", PAGE, re.MULTILINE))
    assert not lacking


def test_defaults_are_as_the_page_says() -> None:
    for section in (LoRA, Splitting, Evaluate, Strategy, Features):
        for field in dataclasses.fields(section):
            row = re.search(rf"^\| `{field.name}` \|.*\| `?(.*?)`? \|$", PAGE, re.MULTILINE)
            if row and isinstance(field.default, int | str) and section is not LoRA and field.name != "name":
                default = str(field.default)
                assert row[1] == (default.lower() if isinstance(field.default, bool) else default), field.name
