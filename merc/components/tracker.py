"""Tracker: a place beside the run directory where the numbers of a run are shown as they come."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from merc.components.base import Component


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """The run that is tracked."""

    name: str
    """The name of the run directory; for a seed or a fold, the name of the folder that holds it comes first."""
    folder: Path
    """Where a tracker may keep its files: a folder of its own in the run directory, made when the first
    is written."""
    title: str
    """The recipe's title, or its name."""
    recipe: Mapping[str, Any]
    """The resolved recipe. References to the environment stay as they are written, so that no secret is in it."""
    resumed: bool = False
    """Whether the run goes on from a checkpoint."""


class Tracking(Protocol):
    """One run, as it is tracked. What it raises is told once, and the run goes on without the tracker."""

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Numbers of one step of training, of what the model wrote for it, or of an evaluation on dev after it.

        Args:
            values: By name, such as ``merc/loss``, ``merc/measures/reference-kl/kl``, ``merc/rollout/reward`` and
                ``merc/dev/weighted_f1`` for a stage ``merc``. All are finite.
            step: The stage's step, counted from 1. A run that was resumed may tell steps again.
        """

    def note(self, sentence: str) -> None:
        """A sentence that the run says."""

    def end(self, metrics: Mapping[str, float]) -> None:
        """The run ends: the final numbers by name, such as ``test/weighted_f1``; none where it was stopped."""


@dataclass(frozen=True, kw_only=True)
class Tracker(Component):
    """Shows the numbers of a run elsewhere: a recipe's ``trackers`` lists them. It never changes what a run computes.

    One that prints:

    >>> from dataclasses import dataclass
    >>> class Printing:
    ...     def numbers(self, values, step): print(step, dict(values))
    ...     def note(self, sentence): print(sentence)
    ...     def end(self, metrics): print("end", dict(metrics))
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Print(Tracker):
    ...     def start(self, run): return Printing()
    >>> run = TrackedRun(name="one", folder=Path("runs/one/print"), title="One", recipe={"seed": 0})
    >>> Print().start(run).numbers({"merc/loss": 0.5}, step=1)
    1 {'merc/loss': 0.5}
    """

    kind: ClassVar[str] = "tracker"

    @abstractmethod
    def start(self, run: TrackedRun) -> Tracking:
        """Begin to track a run. What it raises is told, and the run goes on without the tracker."""
