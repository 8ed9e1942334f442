"""TensorBoard's event files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import merc
from merc_trackers.recipe_text import as_yaml

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@dataclass(frozen=True, kw_only=True)
class TensorBoard(merc.Tracker):
    """The curves of a run as event files: ``tensorboard --logdir runs`` shows those of all run directories there.

    ``folder`` is where they are kept; none is the run directory.

    >>> TensorBoard(folder="curves").folder
    'curves'
    """

    folder: str | None = None

    def start(self, run: merc.TrackedRun) -> Events:
        """Begin an event file; one of a run that goes on takes the place of what it had of later steps."""
        from torch.utils.tensorboard import SummaryWriter

        folder = Path(self.folder) / run.name if self.folder is not None else run.folder
        return Events(lambda step: SummaryWriter(str(folder), purge_step=step if run.resumed else None), run)


class Events:
    """An event file, opened with its first step."""

    def __init__(self, opened: Callable[[int], SummaryWriter], run: merc.TrackedRun) -> None:
        self._opened, self._run = opened, run
        self._writer: SummaryWriter | None = None
        self._step = 0

    def _at(self, step: int) -> SummaryWriter:
        if self._writer is None:
            self._writer = self._opened(step)
            self._writer.add_text("recipe", f"```\n{as_yaml(self._run.recipe)}\n```", 0)
        self._step = step
        return self._writer

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """A point of each curve."""
        writer = self._at(step)
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    def note(self, sentence: str) -> None:
        """A text, behind the last step."""
        self._at(self._step).add_text("notes", sentence, self._step)

    def end(self, metrics: Mapping[str, float]) -> None:
        """The final numbers, and the end of the file."""
        writer = self._at(self._step)
        for name, value in metrics.items():
            writer.add_scalar(name, value, self._step)
        writer.close()
