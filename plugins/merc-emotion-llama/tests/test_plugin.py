"""What the README shows is valid, and what a recipe gets wrong is told before anything runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

README = Path(__file__).parents[1] / "README.md"
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", README.read_text(), re.S)]


def validate(folder: Path, recipe: dict) -> subprocess.CompletedProcess[str]:
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "data_root": "."}))
    command = [sys.executable, "-m", "merc", "validate", "recipe.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_recipes_of_the_readme_are_valid(tmp_path: Path, number: int) -> None:
    pytest.importorskip("merc_embedded")
    pytest.importorskip("merc_corpora")
    done = validate(tmp_path, BLOCKS[number])
    assert done.returncode == 0, done.stderr + done.stdout


def test_parameters_of_metrics_are_checked_with_the_recipe(tmp_path: Path) -> None:
    metrics = [{"name": "mer-unibench-hit-rate"}, {"name": "multi-label", "threshold": 2.0}]
    recipe = {**BLOCKS[0], "evaluate": {"metrics": metrics}}
    done = validate(tmp_path, recipe)
    said = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert "wheels" in said and "threshold is a probability above 0, not 2" in said
