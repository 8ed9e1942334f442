"""``merc show``, ``validate``, ``recipes`` and ``copy`` as a user meets them: processes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from merc.recipe import shipped_recipes
from tests.recipe.conftest import here, merc, toys, with_toys

__all__ = ["here", "merc", "toys", "with_toys"]

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_show_says_values_and_where_they_came_from(here: Path, merc: Run) -> None:
    (here / "child.yaml").write_text("extends: small.yaml\nseed: 4\n")
    shown = merc("show", "child.yaml", "stages.1.trainer.epochs=2", "title=''")
    assert (shown.returncode, shown.stderr) == (0, "")
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in shown.stdout.splitlines()}
    assert rows["seed"].split() == ["4", "child.yaml:2"]
    assert rows["stages.1.trainer.epochs"].split() == ["2", "command", "line"]
    assert rows["encoders.audio.window"].split() == ["0.25", "parent", "small.yaml:13"]
    assert rows["encoders.video.size"].split() == ["null", "default", "of", "encoder", "'toy-video'"]
    assert rows["labels"].startswith('["joy", "anger"] ')
    assert "title" not in rows


def test_show_as_json(here: Path, merc: Run) -> None:
    shown = json.loads(merc("show", "small.yaml", "--json").stdout)
    assert shown["name"] == "small" and shown["resolved"]["encoders"]["video"]["frames"] == 4
    assert shown["sources"]["encoders.video.frames"] == "small.yaml:10"


def test_show_keeps_secrets(here: Path, merc: Run) -> None:
    (here / "s.yaml").write_text("corpus: {name: toy-typed, api_key: '${env:MY_KEY}'}\n")
    for arguments in ([], ["--json"]):
        shown = merc("show", "s.yaml", *arguments, MY_KEY="hunter2")
        assert shown.returncode == 0 and "${env:MY_KEY}" in shown.stdout and "hunter2" not in shown.stdout


def test_validate(here: Path, merc: Run) -> None:
    ran = merc("validate", "small.yaml")
    assert ran.returncode == 0
    assert ran.stderr.startswith("note: connectors.audio: ")  # which no prompter of the recipe shows
    assert ran.stdout == (
        "small.yaml is valid: corpus toy-corpus; backbone toy-llm (lora); encoders video, audio; stages align, merc\n"
    )


def test_validate_lists_what_is_wrong(here: Path, merc: Run) -> None:
    ran = merc("validate", "small.yaml", "encoders.video.frame=1", "seed=x")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "error: 2 errors in small.yaml:\n"
        "  seed (command line): wants a whole number; given 'x' (text)\n"
        "  encoders.video.frame (command line): encoder 'toy-video' takes no 'frame'. Did you mean 'frames'? It takes: "
        "frames, size, sampling_rate\n"
    )


@pytest.mark.parametrize("command", ["show", "validate"])
def test_a_recipe_that_is_not_there(here: Path, merc: Run, command: str) -> None:
    ran = merc(command, "smal.yaml")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: no recipe 'smal.yaml': ") and "Did you mean 'small.yaml'?" in ran.stderr


def test_recipes_are_listed_with_their_titles(merc: Run) -> None:
    ran = merc("recipes")
    assert (ran.returncode, ran.stderr) == (0, "")
    listed = [line.partition(":")[0] for line in ran.stdout.splitlines() if not line.startswith(" ")]
    assert listed == list(shipped_recipes())
    assert [one["name"] for one in json.loads(merc("recipes", "--json").stdout)] == listed


def test_copy(here: Path, merc: Run) -> None:
    ran = merc("copy", "small.yaml", "mine.yaml")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "mine.yaml is yours to change; check it with: merc validate mine.yaml\n"
    again = merc("copy", "small.yaml", "mine.yaml")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith("error: mine.yaml is there already")
