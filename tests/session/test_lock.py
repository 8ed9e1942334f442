"""One process at a time works in a folder; the others are real processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from merc.errors import MercError
from merc.session.directory import RunDirectory
from merc.session.lock import FolderLock

HOLD = """
import sys
from pathlib import Path
from merc.session.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print(lock.take(), flush=True)
sys.stdin.readline()
lock.release()
"""

Holder = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Holder]:
    """Start processes that hold the folder until they are given a line."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, str(tmp_path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout and process.stdout.readline() == "True\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_what_another_process_holds_is_not_taken(holder: Holder, tmp_path: Path) -> None:
    process = holder()
    lock = FolderLock(tmp_path)
    assert not lock.take()
    lock.release()  # what one does not hold one does not take away
    assert lock.path.exists() and not lock.take()
    process.communicate("\n")
    assert not lock.path.exists()
    assert lock.take() and lock.take()


def test_a_process_that_is_killed_holds_nothing(holder: Holder, tmp_path: Path) -> None:
    process = holder()
    process.kill()
    process.wait()
    lock = FolderLock(tmp_path)
    assert lock.path.exists()
    assert lock.take()
    lock.release()
    assert not list(tmp_path.iterdir())


def test_a_run_directory_says_so_in_one_sentence(holder: Holder, tmp_path: Path) -> None:
    process = holder()
    run = RunDirectory(tmp_path)
    with pytest.raises(MercError) as told:
        run.hold()
    assert str(told.value) == (
        f"another process is running in {tmp_path}; wait for it or end it, then --resume goes on, or give another "
        "--run-dir"
    )
    process.communicate("\n")
    run.hold()
    run.release()


def test_a_lock_is_granted_where_its_file_system_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("merc.session.lock.fcntl.flock", none)
    assert FolderLock(tmp_path).take() and FolderLock(tmp_path).take()


def test_a_folder_that_is_not_there_is_held_by_nobody(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "none").hold()
    assert not (tmp_path / "none").exists()
