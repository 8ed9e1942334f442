"""Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import merc


@dataclass(frozen=True, kw_only=True)
class Wandb(merc.Tracker):
    """The numbers of a run for Weights & Biases. Nothing is sent unless it is asked to; what is kept offline is sent by
    ``wandb sync``.

    >>> Wandb(project="meld").mode
    'offline'
    """

    project: str = "merc"
    """The project that the run is shown in."""
    mode: Literal["offline", "online"] = "offline"
    """``offline`` writes files into the run directory; ``online`` sends them as well, with the key in the variable
    ``WANDB_API_KEY``."""
    entity: str | None = None
    """The user or team whose project it is; none is the owner of the key."""
    server: str = "https://api.wandb.ai"
    """The address that ``online`` sends to."""
    tags: tuple[str, ...] = ()
    """Words to find the run by."""

    def servers(self) -> Sequence[str]:
        """The server, where it is sent to one."""
        return [self.server] if self.mode == "online" else []

    def variables(self) -> Sequence[str]:
        """The variable of the key, where it is needed."""
        return ["WANDB_API_KEY"] if self.mode == "online" else []

    def start(self, run: merc.TrackedRun) -> Sent:
        """Begin a run of the same name."""
        import wandb

        run.folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(base_url=self.server, silent=True, console="off", disable_git=True, disable_code=True)
        tracked_run = wandb.init(
            project=self.project, entity=self.entity, name=run.name, notes=run.title, config=dict(run.recipe),
            dir=str(run.folder), mode=self.mode, tags=list(self.tags) or None, settings=settings,
        )  # fmt: skip
        return Sent(tracked_run)


class Sent:
    """A run of wandb. Steps are a number of their own, since each stage counts from 1."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """The numbers of a step, with the step of their stage."""
        self._run.log({**values, f"{_stage(values)}/step": step})

    def note(self, sentence: str) -> None:
        """Sentences stand in the run's log alone."""

    def end(self, metrics: Mapping[str, float]) -> None:
        """The final numbers, as the run's summary."""
        self._run.summary.update(dict(metrics))
        self._run.finish(exit_code=0 if metrics else 1)


def _stage(values: Mapping[str, float]) -> str:
    return next(iter(values)).partition("/")[0]
