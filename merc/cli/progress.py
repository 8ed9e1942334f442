"""Bars and sentences on standard error: rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from merc.cli.remaining import TimeLeft, clock
from merc.consent import hide
from merc.errors import shown
from merc.session.reporter import Progress as Report

_FIRST_LINE_SECONDS, _LINE_EVERY_SECONDS = 10.0, 15.0


class TerminalReporter:
    """Shows a run on standard error, so that standard output stays clean for results."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars: Progress | None = None

    def say(self, sentence: str) -> None:
        """One sentence."""
        self.console.print(f"· {shown(hide(sentence))}", markup=False)

    @contextmanager
    def task(self, title: str) -> Iterator[Report]:
        """A bar; on a terminal it stays when the work is done, elsewhere a line is written now and then."""
        if not self.console.is_terminal:
            yield self._lines(title)
            return
        outer = self._bars is None
        if self._bars is None:
            columns = (
                TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
                _LeftColumn(), TextColumn("{task.fields[text]}", markup=False),
            )  # fmt: skip
            self._bars = Progress(*columns, console=self.console)
            self._bars.start()
        bars = self._bars
        left = TimeLeft(time.monotonic())
        task = bars.add_task(title, total=1.0, text="", left=left)

        def report(share: float, text: str) -> None:
            left.report(time.monotonic(), share)
            bars.update(task, completed=share, text=shown(text))

        finished = False
        try:
            yield report
            finished = True
        finally:
            if finished:
                bars.update(task, completed=1.0)
            if not outer:
                bars.remove_task(task)
            else:
                bars.stop()
                self._bars = None

    def _lines(self, title: str) -> Report:
        started = time.monotonic()
        due, left = started + _FIRST_LINE_SECONDS, TimeLeft(started)
        self.console.print(title, markup=False)

        def report(share: float, text: str) -> None:
            nonlocal due
            now = time.monotonic()
            left.report(now, share)
            if now >= due:
                due = now + _LINE_EVERY_SECONDS
                seconds = left.seconds(now)
                ends = "" if seconds is None else f"  {clock(seconds)} left"
                self.console.print(f"{title}: {share:4.0%}  {shown(text)}{ends}", markup=False)

        return report


class _LeftColumn(ProgressColumn):
    """How long a task will go on."""

    def render(self, task: Task) -> Text:
        """The time, or dashes before anything is known."""
        left: TimeLeft = task.fields["left"]
        seconds = 0.0 if task.finished else left.seconds(time.monotonic())
        return Text("-:--:--" if seconds is None else clock(seconds), style="progress.remaining")
