"""What it costs to import merc and to ask for help: seconds of CPU in a new process, beside Python's own."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

import pytest

GOALS = {"import merc": 0.2, "merc --help": 0.4}
WAYS = {
    "import merc": "import merc",
    "merc --help": "import sys; sys.argv = ['merc', '--help']; from merc.cli.main import main; main()",
}


def cpu_seconds(code: str) -> float:
    """User and system time of a Python that runs ``code`` and ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("way", WAYS)
def test_import(way, benchmark, say):
    mine: list[float] = []
    alone: list[float] = []

    def once() -> None:
        mine.append(cpu_seconds(WAYS[way]))

    def bare() -> None:
        alone.append(cpu_seconds("pass"))

    cpu_seconds(WAYS[way])  # writes the byte code
    benchmark.pedantic(once, setup=bare, rounds=10)
    seen = f"import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr)); {WAYS[way]}"
    out = subprocess.run([sys.executable, "-c", seen], check=True, capture_output=True, text=True)
    assert out.stderr.strip() == "False", f"{way} imports torch"
    middle, bare_middle = statistics.median(mine), statistics.median(alone)
    benchmark.extra_info.update(cpu_seconds=mine, python_cpu_seconds=alone, ratio=middle / bare_middle)
    say(
        f"{way}: median {middle:.3f} s, least {min(mine):.3f} s of CPU (to stay under: {GOALS[way]}); "
        f"python -c pass {bare_middle:.3f} s; {middle / bare_middle:.1f} times; torch not imported"
    )
