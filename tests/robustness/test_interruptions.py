"""Runs that are killed, or whose disk is full, at any moment: ``--resume`` goes on to the same numbers."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.comparing import same_numbers
from tests.integration.forking import Ended, Forks
from tests.tiny_backbone import write_tiny_recipe

STAGES = """\
stages:
  - {id: first, prompter: {name: conversation}, trainer: TRAINER}
  - {id: second, prompter: {name: conversation, history: 1}, trainer: TRAINER}
"""
TRAINER = "{name: sft, lr: 5e-3, batch_conversations: 4, batch_tokens: 128, checkpoint_every: 1, evaluate_every: 2}"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``two.yaml``, a recipe of two short stages."""
    folder = tmp_path_factory.mktemp("two")
    text = write_tiny_recipe(folder).read_text()
    begin, end = text.index("stages:"), text.index("evaluate:")
    (folder / "two.yaml").write_text(text[:begin] + STAGES.replace("TRAINER", TRAINER) + text[end:])
    return folder


@pytest.fixture(scope="module")
def whole(program: Forks, work: Path) -> tuple[Path, int, float]:
    """The run that nobody disturbed, how often it changed a file, and how long it took."""
    started = time.monotonic()
    ended = program(work, "run", "two.yaml", "--run-dir", "whole", watch=work / "whole")
    assert ended.code == 0, ended.err
    return work / "whole", ended.changes, time.monotonic() - started


def go(program: Forks, work: Path, run: Path, **more: object) -> Ended:
    return program(work, "run", "two.yaml", "--run-dir", str(run), "--resume", **more)


def test_kills_at_random_moments(
    program: Forks, work: Path, whole: tuple[Path, int, float], rounds: Callable[[int, int], int], fuzz_seed: int
) -> None:
    """Half of them at a moment in time, half just before a change of a file: where most of the harm could be done."""
    draw, (undisturbed, changes, seconds) = random.Random(fuzz_seed), whole
    run, kills, finished = work / "killed", 0, 0
    wanted = rounds(2, 100)
    while kills < wanted or not finished:

        def kill(pid: int) -> None:
            time.sleep(draw.uniform(0.0, 0.8 * seconds))
            with contextlib.suppress(ProcessLookupError):  # it was faster
                os.kill(pid, signal.SIGKILL)

        if kills == wanted:
            ended = go(program, work, run)
        elif kills % 2:
            ended = go(program, work, run, meanwhile=kill)
        else:
            ended = go(program, work, run, kill_at=draw.randint(1, changes), watch=run)
        if ended.code == 0:
            same_numbers(undisturbed, run)
            shutil.rmtree(run)
            finished += 1
        else:
            assert ended.code == -signal.SIGKILL, (kills, ended.err)
            kills += 1


def test_every_change_of_a_file_fails_once(
    program: Forks, work: Path, whole: tuple[Path, int, float], rounds: Callable[[int, int], int], fuzz_seed: int
) -> None:
    """As for a full disk: one message, and the run goes on once there is room."""
    undisturbed, changes, _ = whole
    every = range(1, changes + 1)
    chosen = sorted(random.Random(fuzz_seed).sample(every, min(rounds(2, changes), changes)))
    run, faults = work / "full", []
    for fail_at in chosen:
        shutil.rmtree(run, ignore_errors=True)
        ended = go(program, work, run, fail_at=fail_at, watch=run)
        if ended.code not in (0, 2) or "Traceback" in ended.err:
            faults.append(f"change {fail_at}: exit {ended.code}: {ended.err[-1500:]}")
        again = go(program, work, run)
        if again.code:
            faults.append(f"behind change {fail_at}: exit {again.code}: {again.err[-1500:]}")
        else:
            same_numbers(undisturbed, run)
    assert not faults, f"{len(faults)} faults:\n" + "\n\n".join(faults[:5])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Gives a file system of so many kilobytes; called again it has another size."""
    place = tmp_path / "small"
    place.mkdir()

    def sized(kilobytes: int) -> Path:
        option = ["-o", "remount," * os.path.ismount(place) + f"size={kilobytes}k"]
        if subprocess.run(["mount", "-t", "tmpfs", *option, "tmpfs", place], capture_output=True).returncode:
            pytest.skip("mounting a small disk is not permitted here")
        return place

    yield sized
    subprocess.run(["umount", place], capture_output=True)


def test_disks_that_fill_up(
    program: Forks, work: Path, whole: tuple[Path, int, float], rounds: Callable[[int, int], int], fuzz_seed: int,
    small_disk: Callable[[int], Path],
) -> None:  # fmt: skip
    """Real full disks, which fail in the midst of a file: as large as needed for all, less some pages."""
    undisturbed = whole[0]
    most = sum(path.stat().st_size for path in undisturbed.rglob("*") if path.is_file()) // 1024 * 4
    faults, filled = [], 0
    drawn = random.Random(fuzz_seed).sample(range(8, most, 4), min(rounds(1, 60), (most - 8) // 4))
    for size in sorted({16, *drawn}):  # 16 kB are too few for any run
        place = small_disk(size)
        ended = go(program, work, place / "run")
        filled += ended.code != 0
        if ended.code not in (0, 2) or "Traceback" in ended.err:
            faults.append(f"{size} kB: exit {ended.code}: {ended.err[-1500:]}")
        small_disk(64 * 1024)
        again = go(program, work, place / "run")
        if again.code:
            faults.append(f"behind {size} kB: exit {again.code}: {again.err[-1500:]}")
        else:
            same_numbers(undisturbed, place / "run")
        shutil.rmtree(place / "run", ignore_errors=True)
    assert not faults, f"{len(faults)} faults:\n" + "\n\n".join(faults[:5])
    assert filled
