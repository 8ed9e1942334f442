"""A run that is ended at any moment goes on with ``--resume`` to the numbers of a run that nobody disturbed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.comparing import files_of, log_of, same_numbers
from tests.integration.conftest import lay_out
from tests.integration.forking import ROOT, Forks


@pytest.fixture(scope="module")
def undisturbed(merc: Forks, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The run of the two-stage recipe that nobody disturbed, and how often it changed a file."""
    folder = lay_out(parts, tmp_path_factory.mktemp("undisturbed"))
    ended = merc(folder, "run", "media.yaml", "--run-dir", "run", watch=folder / "run")
    assert ended.code == 0, ended.err
    assert ended.changes > 50
    return folder / "run", ended.changes


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_again_and_again(merc: Forks, work: Path, undisturbed: tuple[Path, int], seed: int) -> None:
    whole, _ = undisturbed
    draw = random.Random(seed)
    kills = 0
    for session in range(12):
        kill_at = draw.randint(5 + 5 * session, 30 + 5 * session)
        ended = merc(work, "run", "media.yaml", "--run-dir", "run", "--resume", kill_at=kill_at, watch=work / "run")
        if ended.code == 0:
            break
        assert ended.code == -signal.SIGKILL, ended.err
        kills += 1
    assert kills >= 3
    if ended.code:
        ended = merc(work, "run", "media.yaml", "--run-dir", "run", "--resume")
    assert ended.code == 0, ended.err
    same_numbers(whole, work / "run")
    resumed = json.loads((work / "run" / "provenance.json").read_text())["resumed"]
    assert 1 <= len(resumed) <= kills and all(entry["started"] for entry in resumed)


@pytest.mark.slow
def test_killed_before_every_tenth_change_of_a_file(merc: Forks, work: Path, undisturbed: tuple[Path, int]) -> None:
    whole, changes = undisturbed
    for kill_at in range(random.Random(2).randint(1, 10), changes + 1, 10):
        ended = merc(work, "run", "media.yaml", "--run-dir", "run", kill_at=kill_at, watch=work / "run")
        assert ended.code == -signal.SIGKILL, (kill_at, ended.err)
        ended = merc(work, "run", "media.yaml", "--run-dir", "run", "--resume")
        assert ended.code == 0, (kill_at, ended.err)
        same_numbers(whole, work / "run")
        shutil.rmtree(work / "run")


def _when(path: Path, pattern: str, number: int, pid: int) -> None:
    """Send a signal to a process as soon as files of a pattern are there."""
    ends = time.monotonic() + 100
    while not list(path.glob(pattern)) and time.monotonic() < ends:
        time.sleep(0.001)
    os.kill(pid, number)


@pytest.mark.parametrize(
    "moment", ["stages/merc/.checkpoint-*", "stages/align/done.json", "stages/merc/best-*", "predictions.jsonl"]
)
def test_killed_at_a_moment(merc: Forks, work: Path, undisturbed: tuple[Path, int], moment: str) -> None:
    """While a checkpoint is written, between stages, after an evaluation on dev, after the predictions."""
    run = work / "run"
    ended = merc(
        work, "run", "media.yaml", "--run-dir", "run", meanwhile=lambda pid: _when(run, moment, signal.SIGKILL, pid)
    )
    assert ended.code == -signal.SIGKILL
    ended = merc(work, "run", "media.yaml", "--run-dir", "run", "--resume")
    assert ended.code == 0, ended.err
    same_numbers(undisturbed[0], run)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop_in_training(
    merc: Forks, work: Path, undisturbed: tuple[Path, int], number: int, code: int
) -> None:
    run = work / "run"
    ended = merc(
        work, "run", "media.yaml", "--run-dir", "run",
        meanwhile=lambda pid: _when(run, "stages/merc/checkpoint-*", number, pid),
    )  # fmt: skip
    assert ended.code == code
    assert "Traceback" not in ended.err
    step = log_of(run, "step")[-1]["step"]
    lines = ended.err.splitlines()
    assert lines[-1] == f"stopped in stage 'merc' at step {step} of 8; --resume goes on"
    assert lines.count(
        "stopping: this step ends, and a checkpoint is written; once more stops at once, without a checkpoint"
    ) == 1  # fmt: skip
    assert not (run / "metrics.json").exists()
    # What was learned up to here is kept, whatever checkpoint_every says.
    assert max(path.name for path in (run / "stages" / "merc").glob("checkpoint-*")) == f"checkpoint-{step:08d}"
    ended = merc(work, "run", "media.yaml", "--run-dir", "run", "--resume")
    assert ended.code == 0, ended.err
    same_numbers(undisturbed[0], run)


def test_asked_to_stop_before_training(merc: Forks, work: Path, undisturbed: tuple[Path, int]) -> None:
    run = work / "run"
    ended = merc(
        work, "run", "media.yaml", "--run-dir", "run",
        meanwhile=lambda pid: _when(run, "provenance.json", signal.SIGTERM, pid),
    )  # fmt: skip
    assert (ended.code, ended.err.splitlines()[-1]) == (143, "stopped; --resume goes on")
    assert "Traceback" not in ended.err
    assert merc(work, "run", "media.yaml", "--run-dir", "run", "--resume").code == 0
    same_numbers(undisturbed[0], run)


@pytest.mark.slow
def test_a_process_started_by_a_shell_is_asked_to_stop(work: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MERC_PLUGINS": "merc"}
    command = [sys.executable, "-m", "merc", "run", "text.yaml", "--run-dir", "run", "stages.0.trainer.epochs=500"]
    process = subprocess.Popen(command, cwd=work, env=environment, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list((work / "run").glob("stages/merc/checkpoint-*")):
        time.sleep(0.01)
    process.terminate()
    _, err = process.communicate(timeout=100)
    assert process.returncode == 143
    assert err.splitlines()[-1].startswith("stopped in stage 'merc' at step ")


def test_resume_of_a_finished_run_changes_nothing(merc: Forks, work: Path) -> None:
    first = merc(work, "run", "text.yaml", "--run-dir", "run")
    assert first.code == 0, first.err
    before = {name: (work / "run" / name).read_bytes() for name in files_of(work / "run")}
    again = merc(work, "run", "text.yaml", "--run-dir", "run", "--resume", watch=work / "run")
    assert again.code == 0, again.err
    assert "run holds this run, finished: there is nothing to go on with" in again.err
    assert again.out == first.out
    # Its log is read and put back as it was; nothing else is touched.
    assert {name: (work / "run" / name).read_bytes() for name in files_of(work / "run")} == before
    (work / "run" / "report.html").unlink()
    assert merc(work, "run", "text.yaml", "--run-dir", "run", "--resume").code == 0
    assert (work / "run" / "report.html").exists()


def test_a_run_that_is_there_is_not_taken_without_resume(merc: Forks, work: Path) -> None:
    assert merc(work, "run", "text.yaml", "--run-dir", "run", kill_at=40, watch=work / "run").code < 0
    ended = merc(work, "run", "text.yaml", "--run-dir", "run")
    assert ended.code == 2
    assert ended.err.endswith(
        "error: run already holds an unfinished run of this recipe; add --resume to go on, or give another --run-dir\n"
    )
    ended = merc(work, "run", "text.yaml", "--run-dir", "run", "--resume", "seed=7")
    assert ended.code == 2
    assert "run belongs to another recipe: seed differs; give another --run-dir, or the values of" in ended.err


def test_a_run_that_another_process_is_at_is_not_taken(merc: Forks, work: Path) -> None:
    """The first is held in the midst of training while a second one is started."""
    run, told = work / "run", []
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MERC_PLUGINS": "merc"}
    command = [sys.executable, "-m", "merc", "run", "text.yaml", "--run-dir", "run"]

    def second(pid: int) -> None:
        _when(run, "stages/merc/*", signal.SIGSTOP, pid)
        for more in ([], ["--resume"]):
            ended = subprocess.run([*command, *more], cwd=work, env=environment, capture_output=True, text=True)
            told.append((ended.returncode, ended.stderr.splitlines()[-1]))
        os.kill(pid, signal.SIGCONT)

    first = merc(work, "run", "text.yaml", "--run-dir", "run", meanwhile=second)
    assert first.code == 0, first.err
    sentence = (
        "error: another process is running in run; wait for it or end it, then --resume goes on, or give another "
        "--run-dir"
    )
    assert told == [(2, sentence)] * 2
    assert not (run / ".lock").exists()
    assert merc(work, "run", "text.yaml", "--run-dir", "run", "--resume").code == 0


def test_data_that_changed_in_between(merc: Forks, work: Path) -> None:
    assert merc(work, "run", "text.yaml", "--run-dir", "run", kill_at=40, watch=work / "run").code < 0
    talk = (work / "talk.jsonl").read_text()
    (work / "talk.jsonl").unlink()
    (work / "talk.jsonl").write_text(talk.replace('"split": "dev"', '"split": "train"', 1))
    ended = merc(work, "run", "text.yaml", "--run-dir", "run", "--resume")
    assert ended.code == 2
    assert (
        "error: the data of run have changed since the run began: split train, dev has other conversations, texts, "
        "labels, cues or other values; give another --run-dir to start anew, or bring the data back\n"
    ) in ended.err


def test_a_torn_last_line_of_the_log_is_mended(merc: Forks, work: Path) -> None:
    assert merc(work, "run", "text.yaml", "--run-dir", "run", kill_at=40, watch=work / "run").code < 0
    with (work / "run" / "log.jsonl").open("a") as file:
        file.write('{"event": "st')
    assert merc(work, "run", "text.yaml", "--run-dir", "run", "--resume").code == 0
    steps = [record["step"] for record in log_of(work / "run", "step")]
    assert steps == list(range(1, 9))
