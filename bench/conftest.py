"""Two ways of the same work in turn, and a table of the ratios at the end."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

THREADS = int(os.environ.get("MERC_BENCH_THREADS", "2"))
_LINES: list[str] = []


class Compare:
    """Measures merc's way with the benchmark, and plain ways in turn with it: A B C, A B C, ...

    ``target`` is merc's way; before each of its rounds every plain way runs once. The median over the rounds of plain
    time through merc's time is the ratio. It is kept with all times in ``extra_info``, and printed.
    """

    def __init__(self, benchmark: Any, title: str) -> None:
        self.benchmark = benchmark
        self.title = title

    def __call__(
        self,
        target: Callable[[], Any],
        plain: Mapping[str, Callable[[], Any]],
        rounds: int,
        check: Callable[[str, Any, Any], None],
        per_second: tuple[int, str] | None = None,
        goals: Mapping[str, float] | None = None,
    ) -> dict[str, float]:
        """The ratios by plain way. ``check`` is given a plain way's name, its result and merc's, every round."""
        took: dict[str, list[float]] = {name: [] for name in plain}
        mine: list[float] = []
        got: dict[str, Any] = {}

        def others() -> None:
            for name, way in plain.items():
                began = time.perf_counter()
                got[name] = way()
                took[name].append(time.perf_counter() - began)

        def once() -> None:
            began = time.perf_counter()
            got[""] = target()
            mine.append(time.perf_counter() - began)
            for name in plain:
                check(name, got[name], got[""])

        target()  # the first pass allocates
        self.benchmark.pedantic(once, setup=others, rounds=rounds)
        ratios = {}
        info = self.benchmark.extra_info
        info["seconds"] = mine
        for name, times in took.items():
            ratios[name] = statistics.median(a / b for a, b in zip(times, mine, strict=True))
            info[name] = {"seconds": times, "ratio": ratios[name]}
            goal = (goals or {}).get(name)
            _LINES.append(
                f"{self.title}: {ratios[name]:5.1f} times {name}"
                f"{f' (to reach: {goal:g})' if goal else ''}; {_spread(times, per_second)} against "
                f"{_spread(mine, per_second)}"
            )
        return ratios


def _spread(times: list[float], per_second: tuple[int, str] | None) -> str:
    middle, least = statistics.median(times), min(times)
    speed = f", {per_second[0] / middle:.1f} {per_second[1]}/s" if per_second else ""
    return f"median {middle:.2f} s, least {least:.2f} s{speed}"


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
