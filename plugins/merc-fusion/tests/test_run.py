"""Whole runs with the plugin's components side by side: they learn, go on where they were stopped, and predict what
they predicted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.integration.comparing import log_of, same_numbers
from tests.integration.conftest import PARTS, lay_out, parts
from tests.integration.forking import Forks
from tests.registry.distributions import Distribution, install

__all__ = ["parts"]  # a fixture

PLUGIN = """\
import merc

@merc.hookimpl
def register_encoders(register):
    register("letters", "merc_media.parts:Letters")
    register("loudness", "merc_media.parts:Loudness")
"""

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
backbone: {name: hf, path: FOLDER/backbone, tuning: {name: frozen}}
labels: [joy, anger, sadness]
encoders:
  words: {name: letters}
  voice: {name: loudness}
fusers:
  level: {name: feature-level, width: 4, out: 8, operator: tensor}
  cnn: {name: cnn, kernel: [2, 1], length: 3, width: 4, out: 8}
  lstm: {name: multimodal-lstm, tokens: 2, width: 8, weights: attention}
  talk: {name: conversation-lstm, width: 8}
  cross: {name: cross-modal-attention, tokens: 2, width: 8, out: 8, heads: 2}
  graph: {name: modality-graph, width: 8, out: 8, window: 2}
  warp: {name: time-warp, tokens: 2, width: 8, out: 8}
  state: {name: state-space, width: 8, states: 2}
  memory: {name: segment-memory, width: 8, heads: 2, segment: 2, slots: 2}
  experts: {name: modality-experts, width: 8, out: 8, top: 1}
connectors:
  words: {name: gated-cross-attention, every: 1, heads: 2, head_width: 8, look: all}
  voice: {name: cross-attention, heads: 2, head_width: 8, latents: 2}
  level: {name: projector-gate}
  cnn: {name: conditioned-prompt, length: 2, width: 8}
  lstm: {name: multi-scale, scales: [1, 2]}
  talk: {name: linear, normalize: train}
  cross: {name: q-former, queries: 2, width: 8, heads: 2, layers: 2}
  graph: {name: resampler, queries: 2, width: 8, heads: 2, layers: 1}
  warp: {name: linear}
  state: {name: linear}
  memory: {name: linear}
  experts: {name: linear}
stages:
  - id: merc
    prompter:
      name: conversation
      history: 1
      media: [words, voice, level, cnn, lstm, talk, cross, graph, warp, state, memory, experts]
    trainer:
      {name: sft, epochs: 3, lr: 1e-2, batch_conversations: 3, checkpoint_every: 3, activation_checkpointing: true}
evaluate: {metrics: [classification]}
strategy: {device: cpu, threads: 1}
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def merc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """The program with this plugin, and one with two small encoders."""
    site = install([Distribution("media", PLUGIN, {"parts.py": PARTS})], tmp_path_factory.mktemp("site"))
    forks = Forks(site, tmp_path_factory.mktemp("cache"), "media,merc-fusion")
    yield forks
    forks.close()


@pytest.fixture(scope="module")
def folder(merc: Forks, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``all.yaml`` and the finished run of it."""
    made = lay_out(parts, tmp_path_factory.mktemp("work"))
    (made / "all.yaml").write_text(RECIPE.replace("FOLDER", str(made)))
    ended = merc(made, "run", "all.yaml", "--run-dir", "run")
    assert ended.code == 0, ended.err
    return made


def test_the_loss_falls(folder: Path) -> None:
    losses = [record["loss"] for record in log_of(folder / "run", "step")]
    assert sum(losses[-3:]) < sum(losses[:3])


def test_all_gates_have_opened(folder: Path) -> None:
    state = load_file(folder / "run/stages/merc/connectors.safetensors")
    gates = [value for name, value in state.items() if name.startswith("words.inserted") and name.endswith("_gate")]
    doors = [value for name, value in state.items() if name.startswith("voice.inserted") and "attention.out" in name]
    assert len(gates) == 2 * len(doors) > 0
    assert all(bool(value.any()) for value in (*gates, *doors))


def test_a_run_that_was_stopped_ends_with_the_same_numbers(merc: Forks, folder: Path) -> None:
    watched = merc(folder, "run", "all.yaml", "--run-dir", "again", kill_at=18, watch="again")
    assert watched.code == -9
    ended = merc(folder, "run", "all.yaml", "--run-dir", "again", "--resume")
    assert ended.code == 0, ended.err
    same_numbers(folder / "run", folder / "again")


def test_a_trained_run_predicts_what_it_predicted(merc: Forks, folder: Path) -> None:
    said = [json.loads(line) for line in (folder / "talk.jsonl").read_text().splitlines()]
    (folder / "new.jsonl").write_text("".join(json.dumps(one) + "\n" for one in said if one["split"] == "test"))
    ended = merc(folder, "predict", "run", "new.jsonl")
    assert ended.code == 0, ended.err
    before = {row["id"]: row for row in map(json.loads, (folder / "run/predictions.jsonl").read_text().splitlines())}
    after = [json.loads(line) for line in ended.out.splitlines()]
    assert after
    for row in after:
        assert row["probabilities"] == pytest.approx(before[row["id"]]["probabilities"], rel=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("fusers.cnn.kernel=[2, 3]", ("fusers.cnn", "kernel spans 3 features", "'voice'")),
        ("fusers.level.width=300", ("fusers.level", "make width smaller", "concat")),
        ("fusers.cross.heads=3", ("fusers.cross", "width is a multiple of heads (3), not 8")),
        (
            "connectors.graph={name: resampler, heads: 5}",
            ("connectors.graph", "width is a multiple of heads (5), not 32"),
        ),
        ("fusers.talk.tokens=2", ("fusers.talk", "tokens is 1")),
        ("connectors.lstm.scales=[2, 2]", ("connectors.lstm", "scales are numbers of stretches")),
    ],
)
def test_mistakes_name_the_key(merc: Forks, folder: Path, change: str, words: tuple[str, ...]) -> None:
    ended = merc(folder, "run", "all.yaml", change, "--run-dir", "wrong")
    message = " ".join(ended.err.split())
    assert ended.code == 2 and "Traceback" not in message, message
    assert all(word in message for word in words), message
