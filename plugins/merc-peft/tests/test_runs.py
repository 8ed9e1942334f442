"""Whole runs: trained, evaluated by labels and by text, predicted with, and begun from another run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.cli.main import app
from tests.tiny_backbone import write_tiny_recipe

TUNINGS = {
    "prefix": "{name: prefix, tokens: 4, start: zero}",
    "prompt": "{name: prompt, tokens: 4}",
    "adapter": "{name: adapter, width: 8}",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TUNINGS)
def test_a_run_and_one_that_begins_from_it(name: str, tmp_path: Path) -> None:
    recipe, run = write_tiny_recipe(tmp_path, TUNINGS[name], "epochs: 3"), tmp_path / "run"

    def merc(*arguments: object) -> str:
        ended = CliRunner().invoke(app, [str(one) for one in arguments])
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    merc("run", recipe, "--run-dir", run)
    assert 0 < json.loads((run / "metrics.json").read_text())["test"]["weighted_f1"] <= 1
    by_label = [json.loads(line) for line in merc("predict", run, tmp_path / "talk.jsonl").splitlines()]
    assert by_label and all(set(line["probabilities"]) == {"joy", "anger", "sadness"} for line in by_label)
    written = "evaluate.decoder={name: generate, parser: first-label, max_new_tokens: 4}"
    by_text = [json.loads(line) for line in merc("predict", run, tmp_path / "talk.jsonl", written).splitlines()]
    assert [line["id"] for line in by_text] == [line["id"] for line in by_label]
    begun = tmp_path / "begun"
    merc("run", recipe, "--run-dir", begun, f"init_from={run}", "stages.0.trainer.epochs=1", "stages.0.trainer.lr=1e-9")
    again = [json.loads(line) for line in merc("predict", begun, tmp_path / "talk.jsonl").splitlines()]
    for one, two in zip(by_label, again, strict=True):
        assert two["probabilities"] == pytest.approx(one["probabilities"], abs=1e-3)
