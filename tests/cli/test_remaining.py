"""How long work will go on, by times that are made up."""

from __future__ import annotations

import pytest

from merc.cli import progress
from merc.cli.progress import TerminalReporter
from merc.cli.remaining import TimeLeft


def _left(started: float, *reports: tuple[float, float]) -> float:
    left = TimeLeft(started)
    for now, share in reports:
        left.report(now, share)
    seconds = left.seconds(reports[-1][0])
    assert seconds is not None
    return seconds


def test_loading_before_the_first_share_is_no_sign_of_the_pace() -> None:
    steps = [(100 + 2.0 * n, n / 50) for n in range(1, 6)]  # 100 s of loading, then 2 s a step
    assert _left(0, *steps) == pytest.approx(90)


def test_what_a_resumed_stage_did_before_is_not_counted_as_done_now() -> None:
    assert _left(0, (4, 0.81), (8, 0.82), (12, 0.83)) == pytest.approx(68)


def test_a_batch_whose_shares_come_together_counts_as_one() -> None:
    burst = [(10 + 0.001 * n, n / 1000) for n in range(1, 65)]
    assert _left(0, *burst) == pytest.approx((1 - 0.064) / 0.064 * 10.063, rel=0.02)
    second = [(20 + 0.001 * n, n / 1000) for n in range(65, 129)]
    assert _left(0, *burst, *second) == pytest.approx((1 - 0.128) / 0.064 * 10, rel=0.02)


def test_work_that_stands_still_and_work_that_is_late() -> None:
    left = TimeLeft(0)
    left.report(10, 0.0)
    assert left.seconds(30) is None  # something begins, nothing is done
    left.report(40, 0.5)
    assert left.seconds(40) == pytest.approx(40)
    assert left.seconds(500) == 0.0


def test_the_first_line_says_what_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with TerminalReporter().task("stage merc") as report:
        for step in range(1, 26):
            now += 1.0
            report(step / 100, f"step {step}")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["stage merc", "stage merc:  10%  step 10  0:01:30 left", "stage merc:  25%  step 25  0:01:15 left"]
