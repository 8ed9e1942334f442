"""Two processes that fill one store, and one that is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cues.parts import Among, Words, fill, lines, read, talk

ROOT = Path(__file__).parents[2]
TALKS = [talk(*(f"{'word ' * (i + 1)}{name}." for i in range(8)), name=name) for name in "abcde"]
COUNT = sum(len(t.utterances) for t in TALKS)

FILL = """
import sys
from pathlib import Path
from tests.cues.parts import Among, Words, fill
from tests.cues.test_processes import TALKS
folder, trace, kind, pause = sys.argv[1:]
teacher = {"words": Words, "among": Among}[kind](trace=trace, pause=float(pause))
print(fill(Path(folder), teacher, TALKS).asked["it"])
"""


def start(folder: Path, trace: Path, kind: str = "words", pause: float = 0.01) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FILL, str(folder), str(trace), kind, str(pause)]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


def test_two_processes_share_the_work(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    asked = [int(ended(process)) for process in [start(tmp_path, trace) for _ in range(2)]]
    assert sum(asked) == COUNT
    assert sorted(lines(trace)) == sorted(f"asked {u.id}" for t in TALKS for u in t.utterances)
    assert read(tmp_path, Words(), TALKS).unasked == {}


def test_two_processes_whose_annotator_needs_all(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    asked = [int(ended(process)) for process in [start(tmp_path, trace, "among") for _ in range(2)]]
    assert sorted(asked) == [0, COUNT]
    assert read(tmp_path, Among(), TALKS).unasked == {}


def test_a_killed_process_leaves_whole_answers_and_its_claims(tmp_path: Path) -> None:
    """Killed again and again at any moment: no line is torn for long, and nothing is asked twice once it was kept."""
    draw = random.Random(0)
    for _ in range(4):
        process = start(tmp_path, tmp_path / "trace", pause=0.02)
        files = tmp_path / "cues"
        before = len(read(tmp_path, Words(), TALKS).answers)
        until = before + draw.randint(2, 6)
        while process.poll() is None and len(read(tmp_path, Words(), TALKS).answers) < until:
            time.sleep(draw.random() / 50)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    (path,) = files.glob("*.jsonl")
    with path.open("ab") as file:  # what a kill within a write leaves
        file.write(b'{"key": "a')
    kept = read(tmp_path, Words(), TALKS)
    assert 0 < len(kept.answers) < COUNT
    table = fill(tmp_path, Words(), TALKS)
    assert table.asked["it"] == COUNT - len(kept.answers) and table.notes == [] and table.unasked == {}
    keys = [json.loads(line)["key"] for line in path.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == COUNT
