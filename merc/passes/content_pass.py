"""The pass that fills a store: each item that it lacks is claimed, decoded and worked on by one process."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Generic, TypeVar

from merc.media import Decoders, Decoding
from merc.passes.claims import Claims
from merc.threads import in_threads

Item = TypeVar("Item")
Task = TypeVar("Task")
Clips = TypeVar("Clips")

Progress = Callable[[float, str], None]
"""Called with the share that is done, from 0 to 1, and what is at hand."""

_POLL_SECONDS = 0.2


class ContentPass(ABC, Generic[Item, Task, Clips]):
    """One pass over items whose results are kept under a key of their content, so that each is computed once.

    Several processes may fill a store at once: a process claims what it is about to do, and comes back to what another
    has claimed. A task is what one decode serves. A pass can be interrupted at any time and goes on where it was.
    """

    def __init__(self, claims: Claims, decoding: Decoding, report: Callable[[str], None]) -> None:
        self.claims, self.decoding, self.report = claims, decoding, report
        self.left: list[Item] = []

    @abstractmethod
    def tasks(self, items: Sequence[Item]) -> Iterator[Task]:
        """What is to be done of the items, claimed as it is taken. What another process has goes to ``left``."""

    @abstractmethod
    def decode(self, decoders: Decoders, task: Task) -> Clips:
        """The clips of a task. Called in a thread."""

    @abstractmethod
    def work(self, decoded: Iterator[tuple[Task, Clips]]) -> bool:
        """Do the tasks and keep their results; whether the pass goes on. Nothing may be held back after it, or two
        processes could wait for each other."""

    def run(self, items: Sequence[Item]) -> None:
        """Do all that the store lacks of the items."""
        while items:
            self.left = []
            with closing(self._decoded(self.tasks(items))) as decoded:
                if not self.work(decoded):
                    return
            if len(self.left) == len(items):
                self.report(f"waiting for another process that is at the same ({len(items)} left)")
                time.sleep(_POLL_SECONDS)
            items = self.left

    def claim(self, name: str, is_done: Callable[[], bool]) -> bool | None:
        """Whether a name is this process's now: False where another process has it, None where ``is_done``."""
        if is_done():
            return None
        if not self.claims.take(name):
            return False
        if is_done():  # just before the claim was granted
            self.claims.release(name)
            return None
        return True

    def _decoded(self, tasks: Iterator[Task]) -> Generator[tuple[Task, Clips]]:
        """Tasks with their clips, in order, each decoded in a decoder process for which a thread waits."""
        decoders = Decoders(self.decoding.limits)
        return in_threads(partial(self.decode, decoders), tasks, self.decoding.workers, stop=decoders.stop)
