"""A run's trackers: what they are told of its log, and what becomes of one that fails."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from merc.components import TrackedRun, Tracker, Tracking
from merc.consent import hide, hide_in, require
from merc.recipe import ComponentRef, Recipe
from merc.registry.isolation import described
from merc.session.directory import RunDirectory


class Trackers:
    """Those of a run. None of them can end it: one that fails is told of once, and left alone from then on."""

    def __init__(self, named: Mapping[str, ComponentRef], say: Callable[[str], None]) -> None:
        self._named, self._say = named, say
        self._run: Callable[[str], TrackedRun] | None = None
        self._notes: list[str] = []
        self._at_work: dict[str, Tracking] = {}

    def of(self, recipe: Recipe, directory: RunDirectory, resumed: bool) -> None:
        """Say which run it is. It is tracked from its first number on, so that one that cannot begin leaves nothing.
        Raises MercError where the user does not allow what a tracker sends or reads."""
        for name, part in self._named.items():
            require(part.component, f"tracker {name!r}")

        def run(tracker: str) -> TrackedRun:
            name, title = _name_of(directory.path.absolute()), recipe.title or recipe.name
            folder, resolved = directory.path / "trackers" / tracker, hide_in(recipe.resolved)
            return TrackedRun(name=name, folder=folder, title=title, recipe=resolved, resumed=resumed)

        self._run = run

    def record(self, record: Mapping[str, Any]) -> None:
        """Tell a record of the log: the numbers of a step, of a rollout or of an evaluation on dev, or a note."""
        if record.get("event") == "note":
            self._notes.append(hide(str(record["text"])))
        elif record.get("event") in ("step", "rollout", "dev") and (values := dict(_numbers(record))):
            self._start()
            step = int(record["step"])
            self._tell(lambda one: one.numbers(values, step))

    def end(self, metrics: Mapping[str, Mapping[str, Any]]) -> None:
        """Tell that the run ends, with its final numbers by split."""
        values = {f"{split}/{name}": v for split, numbers in metrics.items() for name, v in _finite(numbers)}
        if values:
            self._start()
        self._tell(lambda one: one.end(values))
        self._at_work.clear()

    def _start(self) -> None:
        """Begin, unless that is done, and tell the notes since the last number."""
        if self._run is not None:
            run, self._run = self._run, None
            for name, part in self._named.items():
                assert isinstance(part.component, Tracker)
                try:
                    self._at_work[name] = part.component.start(run(name))
                except Exception as error:
                    self._fails(name, error)
        notes, self._notes = self._notes, []
        for note in notes:
            self._tell(lambda one, note=note: one.note(note))  # type: ignore[misc]

    def _tell(self, what: Callable[[Tracking], None]) -> None:
        for name, tracking in list(self._at_work.items()):
            try:
                what(tracking)
            except Exception as error:
                del self._at_work[name]  # first, since the sentence is a note of its own
                self._fails(name, error)

    def _fails(self, name: str, error: Exception) -> None:
        self._say(f"tracker {name!r}: {described(error)}; the run goes on without it")


def _name_of(folder: Path) -> str:
    """A run directory's name. Folders of seeds, folds and sweep settings have the same names for every recipe, so the
    name of the folder that holds them comes first.

    >>> _name_of(Path("runs/mine")), _name_of(Path("runs/mine/seed-0/fold-2")), _name_of(Path("sweeps/lr/003"))
    ('mine', 'mine-seed-0-fold-2', 'lr-003')
    """
    names = [folder.name]
    while re.fullmatch(r"(seed|fold)-\d+|\d+", names[0]) and folder.parent.name:
        folder = folder.parent
        names.insert(0, folder.name)
    return "-".join(names)


def _numbers(record: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    numbers: Mapping[str, Any] = {name: record[name] for name in _OF_A_STEP if name in record}
    if record["event"] == "dev":
        numbers = record["metrics"]
    elif record["event"] == "rollout":
        numbers = {name: value for name, value in record.items() if name not in ("event", "stage", "step")}
    within = "" if record["event"] == "step" else f"{record['event']}/"
    yield from ((f"{record['stage']}/{within}{name}", value) for name, value in _finite(numbers))


_OF_A_STEP = ("loss", "losses", "measures", "lr", "grad_norm", "utterances_per_second", "epoch")


def _finite(values: Mapping[str, Any], depth: int = 2) -> Iterator[tuple[str, float]]:
    """The finite numbers, also those of groups: a loss's measures, the rewards of a rollout, a metric's numbers."""
    for name, value in values.items():
        if isinstance(value, Mapping) and depth:
            yield from ((f"{name}/{inner}", number) for inner, number in _finite(value, depth - 1))
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield name, float(value)
