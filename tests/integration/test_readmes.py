"""What READMEs tell a user to type: every command is right, and no two runs want one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.recipe import load_recipe
from merc.run.directory import differences
from tests.integration.readmes import READMES, Command, commands, recipe_block

RECIPES = ("run", "annotate", "validate", "show", "params", "encode")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(recipe_block(READMES[0]))
    return tmp_path


@pytest.mark.usefixtures("here")
def test_every_command_is_right_and_every_row_has_a_folder() -> None:
    made: dict[Path, Command] = {}
    counts: dict[str, int] = {}
    for readme in READMES:
        for command in commands(readme):
            if len(command.words) < 2 or command.words[1].isupper():  # the name of a command, or of any run
                continue
            counts[command.name] = counts.get(command.name, 0) + 1
            _check(command, made)
    assert counts["run"] > 60 and {"evaluate", "compare", "bench", "annotate", "predict"} <= set(counts)


def _check(command: Command, made: dict[Path, Command]) -> None:
    if command.name in RECIPES:
        recipe = command.recipe()
        if recipe.init_from is not None:
            assert recipe.init_from.relative_to(Path.cwd()) in made, command
    if command.name == "run":
        first = made.setdefault(command.folder, command)
        assert differences(first.recipe().resolved, recipe.resolved) == [], (command.folder, first, command)
        assert first.options.get("--seeds") == command.options.get("--seeds"), (command.folder, first, command)
    elif command.name == "compare":
        for folder in command.words[1:]:
            assert Path(folder) in made, command
    elif command.name in ("evaluate", "predict", "bench"):
        assert Path(command.words[1]) in made, command
        trained = made[Path(command.words[1])]
        changes = [change for change in command.overrides if not change.startswith("wheels=")]
        load_recipe(trained.words[1], ["data_root=PATH", *trained.overrides, *changes], use="evaluate")
