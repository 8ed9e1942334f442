"""TensorBoard's event files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import merc
from merc_trackers.recipe_text import as_yaml

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@dataclass(frozen=True, kw_only=True)
class TensorBoard(merc.Tracker):
    """The curves of a run as event files: ``tensorboard --logdir runs`` shows those of all run directories there. Each
    stage has a folder of its own, since a file that replaces steps of an earlier one replaces them for all its curves.

    ``folder`` is where they are kept; none is the run directory.

    >>> TensorBoard(folder="curves").folder
    'curves'
    """

    folder: str | None = None

    def start(self, run: merc.TrackedRun) -> Events:
        """Begin event files; those of a run that goes on take the place of what their stage had of later steps."""
        return Events(Path(self.folder) / run.name if self.folder is not None else run.folder, run)


class Events:
    """Event files, each opened with the first that it is told: one for each stage, and one for the recipe, notes and
    final numbers, which replaces nothing."""

    def __init__(self, folder: Path, run: merc.TrackedRun) -> None:
        self._folder, self._run = folder, run
        self._stages: dict[str, SummaryWriter] = {}
        self._whole: SummaryWriter | None = None
        self._step = 0

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """A point of each curve of a stage."""
        self._of_the_run()  # the recipe is there as soon as a curve is
        stage, _, first = next(iter(values)).partition("/")
        if stage not in self._stages:
            # What is told first belongs to the step after the checkpoint, but for an evaluation of that step itself.
            later = step + 1 if first.startswith("dev/") else step
            self._stages[stage] = _writer(self._folder / stage, later if self._run.resumed else None)
        for name, value in values.items():
            self._stages[stage].add_scalar(name, value, step)
        self._step = step

    def note(self, sentence: str) -> None:
        """A text, at the last step."""
        self._of_the_run().add_text("notes", sentence, self._step)

    def end(self, metrics: Mapping[str, float]) -> None:
        """The final numbers, and the end of the files."""
        for name, value in metrics.items():
            self._of_the_run().add_scalar(name, value, self._step)
        for writer in [*self._stages.values(), *([self._whole] if self._whole else [])]:
            writer.close()

    def _of_the_run(self) -> SummaryWriter:
        if self._whole is None:
            self._whole = _writer(self._folder, None)
            self._whole.add_text("recipe", f"```\n{as_yaml(self._run.recipe)}\n```", 0)
        return self._whole


def _writer(folder: Path, purge_step: int | None) -> SummaryWriter:
    """An event file in a folder; the folder's earlier points from ``purge_step`` on are no longer shown."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=purge_step)
