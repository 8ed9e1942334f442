"""Whole runs with what connectors and fusers may do beside tokens in a prompt, from a plugin that pip installed: layers
that look at the media, a fuser that heard all that was said before, and a soft prompt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.integration.comparing import log_of, same_numbers
from tests.integration.conftest import PARTS, lay_out
from tests.integration.forking import Forks
from tests.registry.distributions import Distribution, install

TOYS = Path(__file__).parents[1] / "toys"

PLUGIN = """\
import merc

@merc.hookimpl
def register_encoders(register):
    register("letters", "merc_streams.parts:Letters")
    register("loudness", "merc_streams.parts:Loudness")

@merc.hookimpl
def register_connectors(register):
    register("glance", "merc_streams.glance:Glance")

@merc.hookimpl
def register_fusers(register):
    register("listener", "merc_streams.listener:Listener")
"""

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
backbone: {name: hf, path: FOLDER/backbone, tuning: {name: frozen}}
labels: [joy, anger, sadness]
encoders:
  words: {name: letters}
  voice: {name: loudness}
fusers:
  heard: {name: listener, width: 8}
connectors:
  prompt: {name: soft, length: 3}
  words: {name: glance}
  heard: {name: linear, normalize: train}
stages:
  - id: merc
    prompter: {name: conversation, history: 0, media: [words, heard]}
    trainer:
      {name: sft, epochs: 2, lr: 5e-2, batch_conversations: 3, batch_tokens: 128, checkpoint_every: 3,
       activation_checkpointing: true}
evaluate: {metrics: [classification]}
strategy: {device: cpu, threads: 1, batch_tokens: 256}
"""


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """``merc`` with the toys installed as a wheel."""
    files = {name: (TOYS / name).read_text() for name in ("glance.py", "listener.py")}
    folder = tmp_path_factory.mktemp("streams")
    site = install([Distribution("streams", PLUGIN, {"parts.py": PARTS, **files})], folder)
    forks = Forks(site, tmp_path_factory.mktemp("cache"), "streams")
    yield forks
    forks.close()


@pytest.fixture(scope="module")
def folder(streams: Forks, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``streams.yaml`` and the finished run of it."""
    made = lay_out(parts, tmp_path_factory.mktemp("work"))
    (made / "streams.yaml").write_text(RECIPE.replace("FOLDER", str(made)))
    ended = streams(made, "run", "streams.yaml", "--run-dir", "run")
    assert ended.code == 0, ended.err
    return made


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_all_that_can_learn_has_learned(folder: Path) -> None:
    state = load_file(folder / "run/stages/merc/connectors.safetensors")
    gates = [name for name in state if name.endswith("gate")]
    assert gates == ["words.inserted.model-layers-0.gate"] and all(bool(state[name].any()) for name in gates)
    assert state["prompt.vectors"].shape == (3, 32) and state["heard.mean"].any()
    assert load_file(folder / "run/stages/merc/fusers.safetensors")["heard.changed"].any()
    losses = [record["loss"] for record in log_of(folder / "run", "step")]
    assert sum(losses[-3:]) < sum(losses[:3])


def test_a_run_that_was_stopped_ends_with_the_same_numbers(streams: Forks, folder: Path) -> None:
    watched = streams(folder, "run", "streams.yaml", "--run-dir", "again", kill_at=18, watch="again")
    assert watched.code == -9
    ended = streams(folder, "run", "streams.yaml", "--run-dir", "again", "--resume")
    assert ended.code == 0, ended.err
    same_numbers(folder / "run", folder / "again")


def test_a_trained_run_predicts_what_it_predicted(streams: Forks, folder: Path) -> None:
    """From a file of new conversations, whose features are made for all that was said, though prompts show one."""
    test = [json.loads(line) for line in (folder / "talk.jsonl").read_text().splitlines()]
    (folder / "new.jsonl").write_text("".join(json.dumps(t) + "\n" for t in test if t["split"] == "test"))
    ended = streams(folder, "predict", "run", "new.jsonl")
    assert ended.code == 0, ended.err
    before = {row["id"]: row for row in rows((folder / "run/predictions.jsonl").read_text())}
    found = rows(ended.out)
    assert found
    for row in found:
        assert row["probabilities"] == pytest.approx(before[row["id"]]["probabilities"], rel=1e-4)


def test_what_was_said_before_is_heard_though_no_prompt_shows_it(streams: Forks, folder: Path) -> None:
    """Another first utterance changes what is predicted of the last; another last one changes nothing before it."""
    lines = (("so happy day", "Ann"), ("we", "Bo"), ("again", "Ann"))
    said = [{"id": f"n{i}", "text": text, "speaker": who} for i, (text, who) in enumerate(lines)]
    texts: dict[str, list[dict[str, Any]]] = {}
    for name, place in (("same", None), ("first", 0), ("last", 2)):
        changed = [{**one, "text": "zzz zzz"} if i == place else one for i, one in enumerate(said)]
        (folder / f"{name}.jsonl").write_text(json.dumps({"id": "n", "utterances": changed}) + "\n")
        ended = streams(folder, "predict", "run", f"{name}.jsonl")
        assert ended.code == 0, ended.err
        texts[name] = rows(ended.out)
    same, first, last = ([row["probabilities"] for row in texts[name]] for name in ("same", "first", "last"))
    assert first[2] != pytest.approx(same[2], rel=1e-6)
    assert last[:2] == [pytest.approx(one, rel=1e-6) for one in same[:2]]


def test_mistakes_name_the_connector(streams: Forks, folder: Path) -> None:
    for override, words in (("words.every=0", "step"), ("prompt.length=600", "context of 512 tokens")):
        ended = streams(folder, "run", "streams.yaml", f"connectors.{override}", "--run-dir", "wrong")
        message = " ".join(ended.err.split())
        assert ended.code == 2 and "Traceback" not in message
        assert f"connectors.{override.partition('.')[0]}: " in message and words in message
