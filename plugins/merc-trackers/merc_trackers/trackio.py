"""Trackio, of Hugging Face."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import merc


@dataclass(frozen=True, kw_only=True)
class Trackio(merc.Tracker):
    """The numbers of a run for Trackio, which keeps them on this machine: ``trackio show`` opens its page. They are
    where the variable ``TRACKIO_DIR`` says, else in the cache of Hugging Face.

    ``project`` is the project that the run is shown in.

    >>> Trackio(project="meld").project
    'meld'
    """

    project: str = "merc"

    def start(self, run: merc.TrackedRun) -> Kept:
        """Begin a run of the same name, or go on with it."""
        import trackio

        with redirect_stdout(sys.stderr):  # standard output is for what merc gives
            tracked_run = trackio.init(
                project=self.project, name=run.name, config=dict(run.recipe), embed=False,
                resume="allow" if run.resumed else "never", auto_log_gpu=False, auto_log_cpu=False,
            )  # fmt: skip
        return Kept(tracked_run)


class Kept:
    """A run of Trackio."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """The numbers of a step."""
        self._run.log(dict(values), step=step)

    def note(self, sentence: str) -> None:
        """Sentences stand in the run's log alone."""

    def end(self, metrics: Mapping[str, float]) -> None:
        """The final numbers, and the end of the run."""
        with redirect_stdout(sys.stderr):
            if metrics:
                self._run.log(dict(metrics))
            self._run.finish()
