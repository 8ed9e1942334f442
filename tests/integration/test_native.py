"""A whole run with a native multimodal backbone: its tower's features are kept, and every prompter works with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.forking import Forks
from tests.media.clips import write_clip
from tests.senses import talk, write_talk

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
labels: [joy, anger, sadness]
backbone: {name: native, model: MODEL, tuning: {name: lora, r: 4, alpha: 8}}
encoders:
  video: {name: tower, model: MODEL}
connectors:
  video: {name: identity}
stages:
  - id: merc
    prompter: {name: conversation, media: [video]}
    trainer: {name: sft, lr: 5e-3, batch_conversations: 2}
evaluate: {metrics: [classification]}
features: {store: store}
strategy: {device: cpu, threads: 1, batch_tokens: 512}
"""


@pytest.mark.parametrize("model", ["qwen2-vl", "qwen2.5-vl"])
def test_a_native_backbone_learns_and_predicts(models: Forks, tmp_path: Path, model: str) -> None:
    (tmp_path / "clips").mkdir()
    for number in range(4):
        write_clip(tmp_path / "clips" / f"{number}.mp4", frames=8 + number, tone=220.0 * (number + 1))
    talks = [talk(s, n) for s, count in (("train", 3), ("dev", 1), ("test", 2)) for n in range(count)]
    write_talk(tmp_path / "talk.jsonl", talks)
    (tmp_path / "native.yaml").write_text(RECIPE.replace("MODEL", model))
    ended = models(tmp_path, "run", "native.yaml", "--run-dir", "run")
    assert ended.code == 0, ended.err
    assert "on its own" not in ended.err  # it takes the tree
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert {r["stream"]: r["encoded"] for r in log if r["event"] == "encode"} == {"video": 12}
    ended = models(tmp_path, "predict", "run", "talk.jsonl")
    assert ended.code == 0, ended.err
    rows = {row["id"]: row for row in map(json.loads, ended.out.splitlines())}
    for line in (tmp_path / "run/predictions.jsonl").read_text().splitlines():
        kept = json.loads(line)
        assert rows[kept["id"]]["probabilities"] == pytest.approx(kept["probabilities"], abs=1e-6)
    written = models(tmp_path, "evaluate", "run", "evaluate.decoder={name: generate, max_new_tokens: 8}")
    assert written.code == 0, written.err
    counted = models(tmp_path, "params", "native.yaml", "--json")
    assert counted.code == 0, counted.err
    assert json.loads(counted.out)["parts"]["connectors.video"] == {"total": 0, "trainable": 0}
