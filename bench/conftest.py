"""Two ways of the same work in turn, and a table of the ratios at the end."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

THREADS = int(os.environ.get("MERC_BENCH_THREADS", "2"))
_LINES: list[str] = []


@dataclass
class Times:
    """What each round of one way took: seconds on the clock, and of CPU in all threads."""

    elapsed: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def measure(self, way: Callable[[], Any]) -> Any:
        """Run a way once and give its result."""
        clock, used = time.perf_counter(), time.process_time()
        result = way()
        self.elapsed.append(time.perf_counter() - clock)
        self.cpu.append(time.process_time() - used)
        return result

    def over(self, other: Times) -> tuple[float, float]:
        """The median ratio of these times to another way's, round by round: on the clock, and of CPU."""
        pairs = ((self.elapsed, other.elapsed), (self.cpu, other.cpu))
        clock, cpu = (statistics.median(a / b for a, b in zip(*pair, strict=True)) for pair in pairs)
        return clock, cpu

    def text(self, count: int, unit: str) -> str:
        """Median and least time, and how much was done in a second."""
        middle = statistics.median(self.elapsed)
        return f"median {middle:.2f} s, least {min(self.elapsed):.2f} s, {count / middle:.1f} {unit}/s"


class Compare:
    """Measures merc's way with the benchmark, and plain ways in turn with it: A B C, A B C, ...

    Before each round of merc's way every plain way runs once. The ratio is the median over the rounds of a plain way's
    time to merc's time in the same round. It is kept with all times in ``extra_info``, and printed at the end, with
    the ratio of CPU time beside it, which other programs disturb less.
    """

    def __init__(self, benchmark: Any, title: str) -> None:
        self.benchmark = benchmark
        self.title = title

    def __call__(
        self,
        merc: Callable[[], Any],
        plain: Mapping[str, Callable[[], Any]],
        rounds: int,
        check: Callable[[str, Any, Any], None],
        count: int,
        unit: str,
        goals: Mapping[str, float],
    ) -> None:
        """``check`` is given a plain way's name, its result and merc's, every round, and raises if they differ.
        ``count`` is how many of ``unit`` each way does; ``goals`` are the ratios to reach, by plain way."""
        took = {name: Times() for name in plain}
        mine = Times()
        got: dict[str, Any] = {}

        def others() -> None:
            for name, way in plain.items():
                got[name] = took[name].measure(way)

        def once() -> None:
            result = mine.measure(merc)
            for name, other in got.items():
                check(name, other, result)

        merc()  # the first pass allocates
        self.benchmark.pedantic(once, setup=others, rounds=rounds)
        info = self.benchmark.extra_info
        info["merc"] = asdict(mine)
        for name, times in took.items():
            clock, cpu = times.over(mine)
            info[name] = {**asdict(times), "ratio": clock, "cpu_ratio": cpu}
            goal = f"; to reach: {goals[name]:g}" if name in goals else ""
            _LINES.append(f"{self.title}: {clock:.1f} times {name} (CPU {cpu:.1f}{goal})")
            _LINES.append(f"    {times.text(count, unit)}")
        _LINES.append(f"    merc: {mine.text(count, unit)}")


@pytest.fixture
def compare(benchmark: Any, request: pytest.FixtureRequest) -> Compare:
    import torch

    torch.set_num_threads(THREADS)
    return Compare(benchmark, request.node.name)


@pytest.fixture
def say() -> Callable[[str], None]:
    """Put a line into the table at the end."""
    return _LINES.append


@pytest.fixture(scope="session")
def found():
    from bench.workload import talks

    given = talks()
    _LINES.append(f"dialogues: {given.source}")
    return given


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _LINES:
        terminalreporter.section("ratios")
        for line in _LINES:
            terminalreporter.line(line)
