"""What is said of a piece of work: to the user, and in the log of the run directory that keeps it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from merc.recipe import ComponentRef
from merc.session.directory import RunDirectory
from merc.session.reporter import Progress, Reporter
from merc.session.tracking import Trackers

NONE: Mapping[str, ComponentRef] = {}


class Journal:
    """A reporter whose sentences stand in a run directory's log too, beside records for programs. Without a directory
    there is no log, and nobody is told of it."""

    def __init__(
        self, reporter: Reporter, directory: RunDirectory | None = None, trackers: Mapping[str, ComponentRef] = NONE
    ) -> None:
        self.reporter, self.directory = reporter, directory
        self.trackers = Trackers(trackers, self.say)

    def task(self, title: str) -> AbstractContextManager[Progress]:
        """A bar for one piece of work."""
        return self.reporter.task(title)

    def say(self, sentence: str) -> None:
        """One sentence."""
        self.reporter.say(sentence)
        if self.directory is not None:
            self.directory.note(sentence)
            self.trackers.record({"event": "note", "text": sentence})

    def log(self, record: Mapping[str, Any]) -> None:
        """One record, which the user is not shown."""
        if self.directory is not None:
            self.directory.log(record)
            self.trackers.record(record)


class Logging:
    """A reporter for programs: sentences go to Python's logger ``merc``, at the level INFO."""

    def task(self, title: str) -> AbstractContextManager[Progress]:
        """A bar that nobody sees."""
        return nullcontext(lambda share, text: None)

    def say(self, sentence: str) -> None:
        """One sentence."""
        logging.getLogger("merc").info("%s", sentence)
