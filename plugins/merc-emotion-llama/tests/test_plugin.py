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
    pytest.importorskip("merc_skits")
    done = validate(tmp_path, BLOCKS[number])
    assert done.returncode == 0, done.stderr + done.stdout


def test_parameters_of_metrics_are_checked_with_the_recipe(tmp_path: Path) -> None:
    metrics = [{"name": "mer-unibench-hit-rate"}, {"name": "multi-label", "threshold": 2.0}]
    recipe = {**BLOCKS[0], "evaluate": {"metrics": metrics}}
    done = validate(tmp_path, recipe)
    said = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert "wheels" in said and "threshold is a probability above 0, not 2" in said


def test_tables_that_are_not_there_are_told_before_anything_is_trained(tmp_path: Path) -> None:
    pytest.importorskip("merc_embedded")
    line = '{{"id": "{0}", "split": "{0}", "utterances": [{{"id": "{0}_u", "text": "Hi.", "label": "joy"}}]}}\n'
    (tmp_path / "talk.jsonl").write_text(line.format("train") + line.format("test"))
    recipe = {
        "corpus": {"name": "jsonl", "path": "talk.jsonl"},
        "backbone": {"name": "smollm2"},
        "evaluate": {
            "splits": ["test"],
            "prompter": {"name": "conversation"},
            "metrics": [{"name": "mer-unibench-hit-rate", "wheels": "none"}],
        },
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "merc", "run", "recipe.yaml", "--run-dir", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert "evaluate.metrics, mer-unibench-hit-rate: emotion wheels: " in said and "is not a folder" in said
    assert not (tmp_path / "out").exists()
