"""The rows of recipes/omni's tables: each is valid and can be counted without weights and without a hub."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.cli.main import app
from merc.errors import MercError
from merc.registry import get_registry

RECIPES = Path(__file__).parents[3] / "recipes"
README = (RECIPES / "omni/README.md").read_text(encoding="utf-8").replace("\n", " ")
ROWS = list(dict.fromkeys(re.findall(r"`merc run ((?:omni|bemerc|emotion-llama-v2)/[^`]*)`", README)))
OWN = sorted(f"omni/{file.stem}" for file in (RECIPES / "omni").glob("*.yaml"))
TEXT = {  # by the path of a backbone, its language model's parameters, as its own page says them
    "Qwen/Qwen2.5-72B-Instruct": 72_706_203_648,
    "microsoft/phi-4": 14_659_507_200,
    "Qwen/Qwen2.5-Omni-7B": 7_615_616_512,
    # that of Qwen3-30B-A3B, with 128 more words at either end
    "Qwen/Qwen3-Omni-30B-A3B-Instruct": 30_532_122_624 + 2 * 128 * 2048,
}


def test_every_recipe_and_every_row_is_in_the_table() -> None:
    assert len(ROWS) > 18
    assert all(f"`{name}`" in README for name in OWN)


def counted(row: str) -> dict[str, int]:
    """By part, the parameters that a row has."""
    try:
        for kind, name in (("encoder", "eva"), ("encoder", "whisper"), ("corpus", "mmeverse"), ("corpus", "iemocap")):
            get_registry().resolve(kind, name)
    except MercError as error:
        pytest.skip(str(error))
    recipe, *changes = shlex.split(row)
    arguments = [str(RECIPES / f"{recipe}.yaml"), *changes]
    valid = CliRunner().invoke(app, ["validate", *arguments])
    assert valid.exit_code == 0, valid.output
    done = CliRunner().invoke(app, ["params", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    return {name: part["total"] for name, part in json.loads(done.stdout)["parts"].items()}


def test_the_api_is_nothing_to_count() -> None:
    assert counted("omni/iemocap-api") == {"backbone": 0}


@pytest.mark.slow
@pytest.mark.parametrize("row", dict.fromkeys([*ROWS, *OWN]))
def test_a_row(row: str) -> None:
    parts = counted(row)
    for path, count in TEXT.items():
        if path in row:
            assert parts["backbone"] == count
