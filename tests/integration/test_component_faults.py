"""What a user reads when a component of a plugin fails: which one, where it stands, what failed where; no traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.clumsy import PARTS, PLUGIN
from tests.integration.conftest import lay_out
from tests.integration.forking import Ended, Forks
from tests.letters import LETTERS
from tests.registry.distributions import Distribution, install

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
backbone: {name: hf, path: FOLDER/backbone, tuning: {name: lora, r: 4, alpha: 8}}
labels: [joy, anger, sadness]
encoders: {words: {name: letters}}
connectors: {words: {name: linear}}
stages:
  - id: merc
    prompter: {name: conversation, media: [words]}
    trainer: {name: sft, epochs: 1, lr: 5e-3, batch_conversations: 3}
evaluate: {metrics: [classification]}
strategy: {device: cpu, threads: 1, batch_tokens: 256}
"""

FAULTS = {
    "corpus 'badcorpus'": ("corpus", "corpus={name: badcorpus}"),
    "encoder 'badencoder'": ("encoders.words", "encoders.words={name: badencoder}"),
    "encoder 'badnetwork'": ("encoders.words", "encoders.words={name: badnetwork}",
                             "stages.0.trainable=[encoders.words]"),
    "connector 'badconnector'": ("connectors.words", "connectors.words={name: badconnector}"),
    "connector 'badbuild'": ("connectors.words", "connectors.words={name: badbuild}"),
    "fuser 'badfuser'": ("fusers.both", "fusers={both: {name: badfuser}}", "connectors.both={name: linear}",
                         "stages.0.prompter.media=[both]"),
    "head 'badhead'": ("heads.affect", "heads={affect: {name: badhead}}",
                       "stages.0.trainer.losses=[token-nll, {name: head, head: affect}]"),
    "tuning 'badtuning'": ("backbone.tuning", "backbone.tuning={name: badtuning}"),
    "loss 'badloss'": ("stages.0.trainer.losses.1", "stages.0.trainer.losses=[token-nll, badloss]"),
    "decoder 'baddecoder'": ("evaluate.decoder", "evaluate.decoder={name: baddecoder}"),
    "selector 'badselector'": ("stages.0.demonstrations", "stages.0.demonstrations={name: badselector}"),
    "prompter 'badprompter'": ("stages.0.prompter", "stages.0.prompter={name: badprompter}"),
    "metric 'badmetric'": ("evaluate.metrics.0", "evaluate.metrics=[badmetric]",
                           "stages.0.trainer.select_by=badmetric.x"),
    "trainer 'badtrainer'": ("stages.0.trainer", "stages.0.trainer={name: badtrainer}"),
    "reward 'badreward'": ("stages.0.trainer.reward", "stages.0.trainer={name: judged, reward: {name: badreward}}"),
}  # fmt: skip
"""By kind and name, where the component stands and the changes to the recipe that put it there."""


@pytest.fixture(scope="module")
def clumsy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    plugin = Distribution("clumsy", PLUGIN, {"parts.py": LETTERS + PARTS})
    forks = Forks(install([plugin], tmp_path_factory.mktemp("clumsy")), tmp_path_factory.mktemp("cache"), "clumsy")
    yield forks
    forks.close()


@pytest.fixture
def folder(parts: Path, tmp_path: Path) -> Path:
    lay_out(parts, tmp_path)
    (tmp_path / "r.yaml").write_text(RECIPE.replace("FOLDER", str(tmp_path)))
    talk = tmp_path / "talk.jsonl"
    conversations = [json.loads(line) for line in talk.read_text().splitlines()]
    for utterance in (u for conversation in conversations for u in conversation["utterances"]):
        utterance["values"] = {"valence": 0.0}
    talk.write_text("".join(json.dumps(conversation) + "\n" for conversation in conversations))
    return tmp_path


def check(ended: Ended, name: str, place: str) -> None:
    lines = ended.err.strip().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("error: "))
    assert ended.code == 1, ended.err
    assert len(lines) - start <= 5 and "Traceback" not in ended.err, ended.err
    assert lines[start].startswith(f"error: {place}: {name} of merc-clumsy 0.1: IndexError: list index out of range (")
    assert "merc_clumsy/parts.py:" in lines[start] and "in stumble" in lines[start]
    assert "MERC_TRACEBACK=1" in lines[-1]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_component_is_a_sentence(clumsy: Forks, folder: Path, name: str) -> None:
    place, *changes = FAULTS[name]
    ended = clumsy(folder, "run", "r.yaml", *changes, "--run-dir", "run")
    check(ended, name, place)
    log = folder / "run" / "log.jsonl"
    if log.exists():  # what fails before that fails as fast again
        last = json.loads(log.read_text().splitlines()[-1])
        assert last["event"] == "fault" and "Traceback" in last["traceback"] and "stumble" in last["traceback"]
        assert "run/log.jsonl" in ended.err


def test_a_fault_of_an_annotator(clumsy: Forks, folder: Path) -> None:
    (folder / "a.yaml").write_text(
        "corpus: {name: jsonl, path: talk.jsonl}\nannotators: {mood: {name: badannotator}}\n"
    )
    check(clumsy(folder, "annotate", "a.yaml"), "annotator 'badannotator'", "annotators.mood")


def test_a_loss_that_reads_what_it_did_not_ask_for(clumsy: Forks, folder: Path) -> None:
    """Also where another loss asked for it: alone it would fail."""
    ended = clumsy(folder, "run", "r.yaml", "stages.0.trainer.losses=[unasked]", "--run-dir", "run")
    assert ended.code == 2
    assert "loss 'unasked' reads outputs.states" in ended.err and '"states"' in ended.err and "needs" in ended.err


def test_what_merc_itself_raises_shows_its_traceback_and_who_called(clumsy: Forks, folder: Path) -> None:
    ended = clumsy(folder, "run", "r.yaml", "stages.0.trainer.losses=[asserting]", "--run-dir", "run")
    assert ended.code == 1 and "Traceback" in ended.err
    assert "stages.0.trainer.losses.0: loss 'asserting' of merc-clumsy 0.1: " in ended.err
    assert "merc_clumsy/parts.py" in ended.err


def test_a_sentence_of_a_plugin_stays_what_it_is(clumsy: Forks, folder: Path) -> None:
    ended = clumsy(folder, "run", "r.yaml", "corpus={name: complaining}", "--run-dir", "run")
    assert ended.code == 2 and ended.err.endswith("\nerror: talks.tab is not there; ask the authors for it\n")
