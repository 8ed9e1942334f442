"""A plugin's trainer, which samples from the model and learns what it wrote, has all that ``sft`` has in whole runs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.integration.comparing import files_of, log_of, same_numbers
from tests.integration.conftest import lay_out
from tests.integration.forking import Forks
from tests.integration.test_deepspeed import finish, rows, start, when
from tests.registry.distributions import Distribution, install
from tests.training import toys

pytestmark = pytest.mark.slow

PLUGIN = """\
import merc

@merc.hookimpl
def register_trainers(register):
    register("reward", "merc_reward.toys:Reward")
    register("astray", "merc_reward.astray:Astray")
"""

ASTRAY = """\
import os
from dataclasses import dataclass, replace

import merc
from merc_reward.toys import Reward, Written


@dataclass(frozen=True, kw_only=True)
class Astray(Reward):
    def train(self, context):
        def rollout(groups, step):
            own = (merc.WeightedAnswer((5 + int(os.environ["RANK"]), 6)),)
            return [[replace(one, answers=own) for one in group] for group in groups]

        return merc.training.fit(context, self, (Written(),), rollout)
"""

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
backbone: {name: hf, path: FOLDER/backbone, tuning: {name: lora, r: 4, alpha: 8}}
labels: [joy, anger, sadness]
stages:
  - id: merc
    prompter: {name: conversation}
    trainer:
      {name: reward, epochs: 2, lr: 1e-2, batch_conversations: 3, evaluate_every: 3, checkpoint_every: 2,
       max_new_tokens: 3}
evaluate: {metrics: [classification]}
strategy: {device: cpu, threads: 1, batch_tokens: 4096}
"""


@pytest.fixture(scope="module")
def reward(tmp_path_factory: pytest.TempPathFactory):
    text = Path(toys.__file__).read_text(encoding="utf-8")
    plugin = Distribution("reward", PLUGIN, {"toys.py": text, "astray.py": ASTRAY})
    forks = Forks(install([plugin], tmp_path_factory.mktemp("reward")), tmp_path_factory.mktemp("cache"), "reward")
    yield forks
    forks.close()


def folder_of(parts: Path, folder: Path) -> Path:
    lay_out(parts, folder)
    (folder / "r.yaml").write_text(RECIPE.replace("FOLDER", str(folder)))
    return folder


@pytest.fixture
def folder(parts: Path, tmp_path: Path) -> Path:
    return folder_of(parts, tmp_path)


@pytest.fixture(scope="module")
def alone(reward: Forks, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbs, in one process."""
    folder = folder_of(parts, tmp_path_factory.mktemp("alone"))
    ended = reward(folder, "run", "r.yaml", "--run-dir", "run")
    assert ended.code == 0, ended.err
    return folder / "run"


def test_the_best_state_on_dev_is_kept(alone: Path) -> None:
    assert [record["step"] for record in log_of(alone, "step")] == list(range(1, 9))
    evaluations = {record["step"]: record["metrics"]["weighted_f1"] for record in log_of(alone, "dev")}
    assert list(evaluations) == [3, 6, 8]
    best = json.loads((alone / "stages" / "merc" / "done.json").read_text())["best"]
    assert best["value"] == max(evaluations.values()) == evaluations[best["step"]]
    assert (alone / "report.html").exists()


def test_it_stops_early(reward: Forks, folder: Path) -> None:
    # At this rate nothing moves, so no evaluation is better than the first.
    still = ("stages.0.trainer.lr=1e-12", "stages.0.trainer.patience=1")
    ended = reward(folder, "run", "r.yaml", *still, "--run-dir", "run")
    assert ended.code == 0, ended.err
    done = json.loads((folder / "run" / "stages" / "merc" / "done.json").read_text())
    assert (done["stopped_early"], done["steps"], done["best"]["step"]) == (True, 6, 3)


def test_killed_in_the_middle_of_an_epoch_and_resumed(reward: Forks, folder: Path, alone: Path) -> None:
    log = folder / "run" / "log.jsonl"

    def kill(pid: int) -> None:
        while not (log.exists() and '"event": "step", "stage": "merc", "step": 3,' in log.read_text()):
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)

    ended = reward(folder, "run", "r.yaml", "--run-dir", "run", meanwhile=kill)
    assert ended.code == -signal.SIGKILL
    resumed = reward(folder, "run", "r.yaml", "--run-dir", "run", "--resume")
    assert resumed.code == 0, resumed.err
    same_numbers(alone, folder / "run")


@pytest.mark.parametrize("zero", [1, 3])
def test_two_processes_write_and_learn_what_one_does(zero: int, reward: Forks, folder: Path, alone: Path) -> None:
    """Also where it was stopped in the middle of an epoch. Under ZeRO 3 a process has a share of the weights alone."""
    pytest.importorskip("deepspeed")
    command = ("run", "r.yaml", "strategy.name=deepspeed", f"strategy.zero={zero}", "--run-dir", "run")
    process = start(reward, folder, *command)
    if zero == 1:
        when(process, folder / "run" / "log.jsonl", '"event": "step", "stage": "merc", "step": 2,')
        process.send_signal(signal.SIGTERM)
        code, _, err = finish(process)
        assert code != 0 and "stopped in stage 'merc' at step " in err, err
        process = start(reward, folder, *command, "--resume")
    code, _, err = finish(process)
    assert code == 0, err
    one, two = log_of(alone, "step"), log_of(folder / "run", "step")
    assert [record["step"] for record in two] == list(range(1, 9))
    for mine, other in zip(one, two, strict=True):
        assert other["loss"] == pytest.approx(mine["loss"], rel=2e-2, abs=2e-3), mine["step"]
        assert other["tokens"] == mine["tokens"]
    for mine, other in zip(rows(alone), rows(folder / "run"), strict=True):
        assert other["probabilities"] == pytest.approx(mine["probabilities"], abs=5e-3)
    assert files_of(alone) == files_of(folder / "run")


def test_processes_that_would_learn_different_things(reward: Forks, folder: Path) -> None:
    pytest.importorskip("deepspeed")
    astray = "stages.0.trainer={name: astray, batch_conversations: 3}"
    code, _, err = finish(start(reward, folder, "run", "r.yaml", "strategy.name=deepspeed", astray, "--run-dir", "run"))
    assert code != 0, err
    message = " ".join(err.split())
    assert "stages.merc: the rollout of its trainer, at step 1, gave other examples in other processes" in message
