import subprocess
import sys
from pathlib import Path

import pytest
from merc_embedded.cache import made_once

from merc import MercError


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_it_is_made_once(tmp_path):
    calls = []

    def make(folder: Path) -> None:
        calls.append(folder)
        (folder / "a").write_text("done")

    for _ in range(2):
        assert (made_once(tmp_path / "x", make) / "a").read_text() == "done"
    assert len(calls) == 1
    assert calls[0] != tmp_path / "x"
    assert names(tmp_path) == {"x"}


def test_a_failure_leaves_nothing_and_can_be_tried_again(tmp_path):
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        made_once(tmp_path / "x", fail)
    assert names(tmp_path) == set()
    made_once(tmp_path / "x", lambda folder: (folder / "a").touch())
    assert names(tmp_path / "x") == {"a"}


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    code = (
        "import os, sys, pathlib\nfrom merc_embedded.cache import made_once\n"
        "def make(folder):\n    (folder / 'half').touch()\n    os.kill(os.getpid(), 9)\n"
        "made_once(pathlib.Path(sys.argv[1]), make)"
    )
    killed = subprocess.run([sys.executable, "-c", code, tmp_path / "x"], check=False)
    assert killed.returncode == -9
    assert len(names(tmp_path)) == 1
    made_once(tmp_path / "x", lambda folder: (folder / "a").touch())
    assert names(tmp_path) == {"x"}
    assert names(tmp_path / "x") == {"a"}


def test_of_two_processes_one_makes_it_and_both_get_it(tmp_path):
    code = (
        "import os, sys, time, pathlib\nfrom merc_embedded.cache import made_once\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "(root / f'here-{os.getpid()}').touch()\n"
        "while len(list(root.glob('here-*'))) < 2: time.sleep(0.01)\n"
        "def make(folder):\n"
        "    (root / f'makes-{os.getpid()}').touch()\n"
        "    (folder / 'first').touch()\n    time.sleep(0.3)\n    (folder / 'last').touch()\n"
        "print(sorted(p.name for p in made_once(root / 'x', make).iterdir()))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in both] == ["['first', 'last']"] * 2
    assert len(list(tmp_path.glob("makes-*"))) == 1


def test_too_little_space_is_said_before_anything_is_written(tmp_path):
    with pytest.raises(MercError, match=r"too little space for .*/x, which needs .* MB; free some, or set MERC_CACHE"):
        made_once(tmp_path / "x", lambda folder: None, room=10**18)
    assert names(tmp_path) == set()
