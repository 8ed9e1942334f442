"""What decoding in processes of its own costs: a pass over the clips of ``test_encode_pass``, isolated, against the
same pass with decoding in threads of merc's own process.

The decoder processes are there already, as in any pass but the first; what that one takes is printed beside it. CPU
time is that of merc and its decoder processes together, which other programs disturb less than the clock.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.test_encode_pass import RECIPE, clips  # noqa: F401 - a fixture
from bench.test_encoders import Clips
from bench.workload import rounds
from merc.errors import MercError
from merc.features import FeatureStore, encode
from merc.media import Decoding, isolation
from merc.recipe import load_recipe


def cpu_seconds() -> float:
    """Of this process, and of the decoder processes that wait for work."""
    total = time.process_time()
    for worker in isolation._IDLE._workers:
        fields = Path(f"/proc/{worker._process.pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


@pytest.mark.skipif(not isolation.ISOLATED or not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_isolation(say: Callable[[str], None], clips: Clips, tmp_path: Path, monkeypatch, benchmark):  # noqa: F811
    recipe = load_recipe(RECIPE)
    try:
        for part in recipe.encoders.values():
            part.component.load("cpu")
    except MercError as error:
        pytest.skip(str(error))
    number = itertools.count()
    elapsed: dict[bool, list[float]] = {True: [], False: []}
    used: dict[bool, list[float]] = {True: [], False: []}

    def run(isolated: bool) -> None:
        monkeypatch.setattr(isolation, "ISOLATED", isolated)
        store = FeatureStore(tmp_path / str(next(number)))
        clock, cpu = time.perf_counter(), cpu_seconds()
        table = encode(store, recipe.encoders, clips.talks, recipe.seed, decoding=Decoding.of(recipe))
        elapsed[isolated].append(time.perf_counter() - clock)
        used[isolated].append(cpu_seconds() - cpu)
        assert any(table.encoded.values())

    begin = time.perf_counter()
    run(True)
    first = time.perf_counter() - begin
    run(False)
    for times in (*elapsed.values(), *used.values()):
        times.clear()
    benchmark.pedantic(lambda: run(True), setup=lambda: run(False), rounds=max(3, rounds()))
    for what, times in (("clock", elapsed), ("CPU", used)):
        ratio = statistics.median(a / b for a, b in zip(times[True], times[False], strict=True))
        isolated, here = (statistics.median(times[way]) for way in (True, False))
        benchmark.extra_info[what] = {"ratio": ratio, "isolated": times[True], "in process": times[False]}
        say(
            f"isolated decoding, {len(clips.paths)} {clips.source}: {what} {ratio:.3f} of in-process (to stay under: "
            f"1.05); {isolated:.2f} s against {here:.2f} s"
        )
    say(f"    the first pass, which starts the processes: {first:.2f} s")
