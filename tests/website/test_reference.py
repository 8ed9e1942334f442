"""The generated reference is whole: every key, command, name and field is there, and each says what it is."""

from __future__ import annotations

import dataclasses
import re

import pytest

import merc
from merc.builtin.commands import COMMANDS
from merc.builtin.jsonl_fields import CONVERSATION, UTTERANCE
from merc.evaluation.classification import ClassificationNumbers, Confusion, PerClass
from merc.evaluation.metrics import SplitNumbers
from merc.recipe import Evaluate, Features, Splitting, Stage, StageData, Strategy, Task
from merc.recipe.build import SECTIONS
from merc.session.provenance import Provenance
from website.reference import PAGES, commands, json_formats, python, recipe_keys

EMPTY = re.compile(r"^\|.*\|\s*\|$", re.MULTILINE)


@pytest.mark.parametrize("make", [recipe_keys, json_formats])
def test_everything_has_a_meaning(make: object) -> None:
    assert callable(make)
    page = make()
    assert page.count("\n| `") > 40
    assert not EMPTY.findall(page)
    assert "`None`" not in page


def test_every_key_of_a_recipe_is_there() -> None:
    page = recipe_keys()
    keys = {*SECTIONS, "extends"}
    for section in (Splitting, Stage, Task, StageData, Evaluate, Strategy, Features):
        keys |= {field.name for field in dataclasses.fields(section) if field.name != "path"}
    assert not [key for key in keys if f"| `{key}` |" not in page]
    assert "from_environment" not in page


def test_every_command_and_option_is_there() -> None:
    page = commands()
    assert all(f"## merc {name}\n" in page for name in [*COMMANDS, "corpus import", "plugins new", "serve", "live"])
    assert "| `--seeds` |" in page and "| `RECIPE` |" in page
    assert not re.findall(r"^\| `[^|]*` \| *\|", page, re.MULTILINE), "an option without help"


def test_every_public_name_is_there() -> None:
    page = python()
    assert set(merc.__all__) - {"training", "__version__"} <= set(
        re.findall(r"^::: merc[.\w]*\.(\w+)$", page, re.MULTILINE)
    )
    assert "::: merc.training.fit" in page


def test_every_field_of_json_is_there() -> None:
    page = json_formats()
    assert not [
        field for field in (*CONVERSATION, *UTTERANCE, "probabilities", "latency") if f"| `{field}` |" not in page
    ]
    for message in ("Start", "Stop", "Ready", "Provisional", "Final", "Dropped", "Note", "Failure", "End", "Latency"):
        assert f"### {message}\n" in page
    written = (SplitNumbers, ClassificationNumbers, PerClass, Confusion, Provenance)
    assert not [field for cls in written for field in cls.__annotations__ if f"| `{field}` |" not in page]
    assert set(PAGES) == {f"docs/reference/{name}.md" for name in ("commands", "json", "python", "recipe-keys")}
