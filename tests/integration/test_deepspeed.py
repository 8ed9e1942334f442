"""Whole runs in two processes under a launcher: the numbers of one process, stopped and resumed, and mistakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.integration.comparing import files_of, log_of, same_numbers
from tests.integration.conftest import lay_out
from tests.integration.forking import Forks
from tests.integration.test_heads import lay_out_heads

pytest.importorskip("deepspeed")
pytestmark = pytest.mark.slow

STILL = ("backbone.tuning.dropout=0", "connectors.words.dropout=0")
"""Dropout is drawn anew in each process, so runs that shall be alike in one and in two do without."""


LAUNCHERS = {
    "torchrun": ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"),
    "deepspeed": ("deepspeed.launcher.runner", "--num_gpus", "2", "--module"),
}


def start(
    merc: Forks, cwd: Path, *argv: str, launcher: str | None = "torchrun", plugins: str = ""
) -> subprocess.Popen[str]:
    """``merc`` under a launcher, or in one process, with plugins beside those of the test."""
    known = f"{merc.environment['MERC_PLUGINS']},{plugins}"
    return subprocess.Popen(
        [sys.executable, "-m", *(LAUNCHERS[launcher] if launcher else ()), "merc", *argv],
        cwd=cwd, env={**merc.environment, "MERC_PLUGINS": known}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def run(zero: int, *more: str, folder: str = "run") -> tuple[str, ...]:
    return ("run", "media.yaml", "strategy.name=deepspeed", f"strategy.zero={zero}", "--run-dir", folder, *more)


def rows(run_folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_folder / "predictions.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(merc: Forks, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two stages in one process of strategy torch, without dropout."""
    folder = lay_out(parts, tmp_path_factory.mktemp("alone"))
    ended = merc(folder, "run", "media.yaml", *STILL, "--run-dir", "run")
    assert ended.code == 0, ended.err
    return folder / "run"


@pytest.fixture(scope="module")
def shared(merc: Forks, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two stages in two processes with ZeRO 2 and dropout, undisturbed."""
    folder = lay_out(parts, tmp_path_factory.mktemp("shared"))
    code, _, err = finish(start(merc, folder, *run(2)))
    assert code == 0, err
    return folder / "run"


@pytest.mark.parametrize(("launcher", "zero"), [("torchrun", 1), ("deepspeed", 3)])
def test_two_processes_learn_what_one_learns(merc: Forks, work: Path, alone: Path, launcher: str, zero: int) -> None:
    code, out, err = finish(start(merc, work, *run(zero, *STILL), launcher=launcher))
    assert code == 0, err
    assert out.count("report: ") == 1 and (launcher == "deepspeed" or "DeepSpeed" not in out)
    for event, fields in (("step", ("loss", "grad_norm", "lr")), ("dev", ("epoch",))):
        one, two = log_of(alone, event), log_of(work / "run", event)
        assert len(one) == len(two) >= 3
        for mine, other in zip(one, two, strict=True):
            for field in fields:
                assert other[field] == pytest.approx(mine[field], rel=2e-3), (event, mine["step"], field)
    for file in alone.rglob("*.safetensors"):
        mine, other = load_file(file), load_file(work / "run" / file.relative_to(alone))
        assert mine.keys() == other.keys()
        for name, value in mine.items():
            assert other[name].shape == value.shape
            assert (other[name] - value).abs().max() < 2e-3, f"{file}: {name}"
    for mine, other in zip(rows(alone), rows(work / "run"), strict=True):
        assert mine["id"] == other["id"]
        assert other["probabilities"] == pytest.approx(mine["probabilities"], abs=2e-3)
    assert files_of(alone) == files_of(work / "run")


def test_two_processes_start_from_another_runs_weights(merc: Forks, work: Path, alone: Path) -> None:
    # Nothing moves at such a rate, so what comes out is what went in: every part of it, though ZeRO 3 divides them.
    still = [f"stages.{number}.trainer.lr=1e-12" for number in (0, 1)]
    given = (f"init_from={alone}", f"backbone.path={alone.parent / 'backbone'}")
    code, _, err = finish(start(merc, work, *run(3, *STILL, *still, *given)))
    assert code == 0, err
    assert err.count(f"starts from the weights of {alone}, stage merc") == 1
    files = [file for file in (alone / "stages/merc").rglob("*.safetensors") if "state" not in file.name]
    assert {"adapter_model.safetensors"} < {file.name for file in files}
    for file in files:
        mine, other = load_file(file), load_file(work / "run" / file.relative_to(alone))
        assert mine.keys() == other.keys()
        assert all((other[name] - value).abs().max() < 1e-6 for name, value in mine.items()), file


def when(process: subprocess.Popen[str], log: Path, record: str) -> None:
    """Wait until a run has logged something."""
    while not (log.exists() and record in log.read_text()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def test_killed_stopped_and_resumed(merc: Forks, work: Path, shared: Path) -> None:
    log = work / "run" / "log.jsonl"
    process = start(merc, work, *run(2))
    when(process, log, '"event": "step", "stage": "align", "step": 3,')
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 2
    os.kill(int(children[1]), signal.SIGKILL)
    code, _, err = finish(process)
    assert code != 0 and "error: " not in err
    process = start(merc, work, *run(2, "--resume"))
    when(process, log, '"event": "step", "stage": "merc", "step": 2,')
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert code != 0
    assert err.count("stopped in stage 'merc' at step ") == 1 and "--resume goes on" in err
    checkpoints = list((work / "run" / "stages" / "merc").glob("checkpoint-*"))
    assert 1 <= len(checkpoints) <= 2
    shares = {"optimizer-0000.safetensors", "optimizer-0001.safetensors"}
    others = {"deepspeed.json", "model.safetensors", "progress.json", "checksums.json"}
    assert {p.name for p in checkpoints[0].iterdir()} == shares | others
    what_to_do = "torchrun --nproc-per-node 2 -m merc run RECIPE strategy.name=deepspeed strategy.zero=2 --resume"
    for other in (run(2, "--resume"), ("run", "media.yaml", "--run-dir", "run", "--resume")):
        ended = merc(work, *other)  # one process; then strategy torch as well
        assert ended.code == 2
        assert what_to_do in ended.err and "Traceback" not in ended.err
    code, _, err = finish(start(merc, work, *run(1, "--resume")))
    assert code != 0 and err.count("error: ") == 1 and what_to_do in err, err
    code, _, err = finish(start(merc, work, *run(2, "--resume")))
    assert code == 0, err
    same_numbers(shared, work / "run")


def test_a_mistake_ends_all_and_is_told_once(merc: Forks, shared: Path) -> None:
    for mistake, sentence in (
        (run(2), "already holds a finished run"),  # only the first process looks
        (run(2, "corpus.path=absent.jsonl", folder="other"), "absent.jsonl"),  # all processes look
    ):
        code, out, err = finish(start(merc, shared.parent, *mistake))
        assert code != 0
        assert err.count("error: ") == 1 and sentence in err, err
        assert "DistBackendError" not in err and out == ""


@pytest.mark.parametrize("zero", [2, 3])
def test_two_processes_learn_the_heads_that_one_learns(merc: Forks, parts: Path, tmp_path: Path, zero: int) -> None:
    folder = lay_out_heads(parts, tmp_path)
    more = ("backbone.tuning.dropout=0", "evaluate.decoder={name: generate, max_new_tokens: 2}")
    ended = merc(folder, "run", "heads.yaml", *more, "--run-dir", "one")
    assert ended.code == 0, ended.err
    given = ("strategy.name=deepspeed", f"strategy.zero={zero}", "--run-dir", "two")
    code, _, err = finish(start(merc, folder, "run", "heads.yaml", *more, *given))
    assert code == 0, err
    for mine, other in zip(log_of(folder / "one", "step"), log_of(folder / "two", "step"), strict=True):
        assert other["losses"] == pytest.approx(mine["losses"], rel=2e-3)
    one, two = (load_file(folder / name / "stages" / "merc" / "heads.safetensors") for name in ("one", "two"))
    assert all((two[name] - value).abs().max() < 2e-3 for name, value in one.items())
    for mine, other in zip(rows(folder / "one"), rows(folder / "two"), strict=True):
        for name in ("valence", "arousal"):
            assert other["values"][name] == pytest.approx(mine["values"][name], abs=2e-3)
    assert files_of(folder / "one") == files_of(folder / "two")


@pytest.mark.parametrize("zero", [2, 3])
def test_two_processes_learn_by_the_losses_that_one_learns_by(merc: Forks, work: Path, zero: int) -> None:
    """Losses over labels, over a step and over a pass: processes share out the passes, and anchors are of all."""
    labels = "focal, class-balanced, label-smoothing, logit-adjusted, task, {name: temporal, weight: 0.5}"
    states = "{name: info-nce, stream: words, weight: 0.2}, {name: supervised-contrastive, weight: 0.1}"
    losses = (f"stages.1.trainer.losses=[token-nll, {labels}, {states}]", "stages.1.trainer.batch_tokens=120", *STILL)
    alone = ("run", "media.yaml", *losses, "--run-dir", "one")
    for launcher, argv in ((None, alone), ("torchrun", run(zero, *losses, folder="two"))):
        code, _, err = finish(start(merc, work, *argv, launcher=launcher, plugins="merc-losses"))
        assert code == 0, err
    one, two = (log_of(work / name, "step") for name in ("one", "two"))
    assert len(one[-1]["losses"]) == 9
    for mine, other in zip(one, two, strict=True):
        assert other["losses"] == pytest.approx(mine["losses"], rel=5e-3, abs=1e-4)
