"""EMER in the unified format: a description stands once; it is learned, is no input, and is what a judge compares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.judging import Judge
from tests.tiny_backbone import save_tiny_backbone

pytest.importorskip("merc_bemerc")
pytestmark = pytest.mark.slow


def merc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MERC_CACHE": str(folder / "cache"), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "merc", *arguments], cwd=folder, capture_output=True, text=True, env=environment
    )


def line(number: int, split: str, described: bool) -> str:
    said = {"id": f"u{number}", "text": "Well.", "label": "joy" if number % 2 else "anger"}
    if described:
        said["description"] = f"She smiles {number} times."
    return json.dumps({"id": f"c{number}", "split": split, "utterances": [said]}) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned to describe, from descriptions that its test split lacks."""
    folder = tmp_path_factory.mktemp("emer")
    save_tiny_backbone(folder / "backbone")
    talks = [line(0, "train", True), line(1, "train", True), line(2, "dev", False), line(3, "test", False)]
    (folder / "talk.jsonl").write_text("".join(talks))
    (folder / "emer.jsonl").write_text("".join(line(n, "test", True) for n in (4, 5)))
    recipe = {
        "corpus": {"name": "jsonl", "path": "talk.jsonl"},
        "backbone": {"name": "hf", "path": "./backbone", "tuning": {"name": "lora", "r": 2}},
        "stages": [
            {
                "id": "cognition",
                "prompter": {"name": "emotion-llama", "media": [], "task": "reason", "description": "description"},
                "trainer": {"name": "sft"},
            }
        ],
        "evaluate": {"splits": ["test"], "decoder": {"name": "generate", "max_new_tokens": 6}},
        "strategy": {"device": "cpu", "threads": 1},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    done = merc(folder, "run", "recipe.yaml", "--run-dir", "run")
    assert done.returncode == 0, done.stderr
    return folder


def test_the_metric_alone_is_asked_of_a_trained_run(folder: Path) -> None:
    judge = Judge()
    try:
        host = judge.url.removeprefix("http://").removesuffix("/v1")
        metric = f"evaluate.metrics=[{{name: emer-overlap, base_url: '{judge.url}', model: m}}]"
        done = merc(
            folder,
            "evaluate",
            "run",
            "--allow",
            host,
            metric,
            "corpus={name: jsonl, path: emer.jsonl}",
            "--name",
            "emer",
        )
    finally:
        judge.shutdown()
        judge.server_close()
    assert done.returncode == 0, done.stderr
    numbers = json.loads((folder / "run" / "evaluations" / "emer" / "metrics.json").read_text())["test"]["emer-overlap"]
    assert (numbers["samples"], numbers["scored"], numbers["n"]) == (2, 2, 2)
    assert {"clue_overlap", "label_overlap", "reasoning_completeness"} <= set(numbers)
    asked = "\n".join(one["messages"][0]["content"] for one in judge.asked)
    assert "She smiles 4 times." in asked and "She smiles 5 times." in asked
