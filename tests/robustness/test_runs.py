"""Damaged run directories: every command that reads one ends well, or with one clear message."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.forking import Ended, Forks
from tests.robustness.damage import copy, damage
from tests.senses import talk, write_talk

LONG = ("stages.0.trainer.epochs=20", "stages.0.trainer.checkpoint_every=1")


@pytest.fixture(scope="module")
def runs(program: Forks, senses: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run that was evaluated and benched too, and one that was ended in the midst of training."""
    folder = tmp_path_factory.mktemp("runs")
    finished, unfinished = copy(trained, folder / "finished"), folder / "unfinished"
    assert program(folder, "evaluate", str(finished), "--split", "test").code == 0
    sets = folder / "sets"
    sets.mkdir()
    for name in ("a", "b"):
        talks = [talk("test", n) for n in range(2)]
        for utterance in (u for one in talks for u in one["utterances"]):
            utterance |= {"mood": utterance["label"], "video": str(senses / utterance["video"])}
        write_talk(sets / f"{name}.jsonl", talks)
    bench = ("benchmark", str(finished), "--benchmark", "talks", "--data", str(sets), "--reuse")

    def kill(pid: int) -> None:
        ends = time.monotonic() + 60
        while len(list(unfinished.glob("stages/*/checkpoint-*"))) < 2 and time.monotonic() < ends:
            time.sleep(0.001)
        os.kill(pid, signal.SIGKILL)

    ended = program(folder, "run", str(senses / "media.yaml"), *LONG, "--run-dir", "unfinished", meanwhile=kill)
    assert ended.code < 0 and len(list(unfinished.glob("stages/*/checkpoint-*"))) == 2
    whole = copy(finished, folder / "whole")
    ended = program(folder, *bench)
    assert ended.code == 0, ended.err
    return {"finished": finished, "unfinished": unfinished, "whole": whole, "sets": sets}


def is_fault(ended: Ended) -> bool:
    """Whether a command ended otherwise than well, or with a message of a few lines."""
    message = ended.err.partition("error: ")[2]
    fine = ended.code == 0 or (ended.code == 2 and message and len(message.splitlines()) <= 8)
    return not fine or "Traceback" in ended.err


def test_damaged_runs(
    program: Forks, senses: Path, runs: dict[str, Path], tmp_path: Path, rounds: Callable[[int, int], int],
    fuzz_seed: int,
) -> None:  # fmt: skip
    draw = random.Random(fuzz_seed)
    recipe, whole = str(senses / "media.yaml"), str(runs["whole"])
    commands: dict[str, tuple[str, ...]] = {
        "resume": ("run", recipe, "--run-dir", "run", "--resume"),
        "predict": ("predict", "run", str(senses / "talk.jsonl")),
        "evaluate": ("evaluate", "run", "--split", "dev", "--name", "again"),
        "compare": ("compare", whole, "run", "--write", "page.html"),
        "report": ("report", "run"),
        "init_from": ("run", recipe, "init_from=run", "stages.0.trainer.epochs=1", "--run-dir", "other"),
        "go on": ("run", recipe, *LONG, "--run-dir", "run", "--resume"),
        "benchmark": ("benchmark", "run", "--benchmark", "talks", "--data", str(runs["sets"]), "--reuse"),
    }
    faults = []
    for number in range(rounds(8, 300)):
        name = list(commands)[number % len(commands)]
        run = copy(runs["unfinished" if name == "go on" else "finished"], tmp_path / str(number) / "run")
        done = damage(run, draw)
        ended = program(run.parent, *commands[name])
        if is_fault(ended):
            faults.append(f"{number} {name}: {done}: exit {ended.code}: {ended.err[-2000:]}")
            (tmp_path / "faults.txt").write_text("\n\n".join(faults))
        shutil.rmtree(run)
    assert not faults, f"{len(faults)} faults:\n" + "\n\n".join(faults[:5])
