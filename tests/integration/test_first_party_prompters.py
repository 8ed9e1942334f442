"""A run with demonstrations before the prompts of every first-party plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.comparing import log_of
from tests.tiny_backbone import save_tiny_backbone, save_tiny_corpus

PROMPTERS = {"bemerc-emotion": "merc-bemerc", "farcer": "merc-farcer", "emotion-llama": "merc-emotion-llama"}


@pytest.mark.slow
def test_each_learns_and_is_measured_with_demonstrations(tmp_path: Path) -> None:
    for distribution in PROMPTERS.values():
        pytest.importorskip(distribution.replace("-", "_"))
    save_tiny_backbone(tmp_path / "backbone", context=8192)
    save_tiny_corpus(tmp_path / "talk.jsonl")
    shown = {"name": "balanced", "k": 2}
    stages = [
        {
            "id": name, "prompter": {"name": name, "media": []}, "demonstrations": shown, "data": {"limit": 2},
            "trainer": {"name": "sft"},
        }
        for name in PROMPTERS
    ]  # fmt: skip
    recipe = {
        "corpus": {"name": "jsonl", "path": "talk.jsonl"},
        "labels": ["joy", "anger", "sadness"],
        "backbone": {"name": "hf", "path": "./backbone", "tuning": {"name": "lora", "r": 2}},
        "stages": stages,
        "evaluate": {"splits": ["test"], "limit": 1},
        "strategy": {"device": "cpu", "threads": 1},
    }
    (tmp_path / "shots.yaml").write_text(json.dumps(recipe))
    environment = {**os.environ, "MERC_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    environment["MERC_PLUGINS"] = ",".join(PROMPTERS.values())
    command = [sys.executable, "-m", "merc", "run", "shots.yaml", "--run-dir", "run"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    records = log_of(tmp_path / "run", "demonstrations")
    assert [r["of"] for r in records] == ["stages.0", "stages.1", "stages.2", "evaluate"]
    assert all(len(set(shared["ids"])) == 2 for r in records for shared in r["shared"])
    assert {r["stage"] for r in log_of(tmp_path / "run", "step")} == set(PROMPTERS)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert 0 < metrics["test"]["n"] <= 8
