"""Workers: where the jobs of a pass over data are done."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from merc.components.base import Component
from merc.consent import allow, allowed

Progress = Callable[[float, str], None]
"""Called with the share that is done, from 0 to 1, and what is at hand."""
Say = Callable[[str], None]
"""Called with sentences for the user."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A piece of a pass: some of its clips, say. What it makes goes where the pass keeps it, under keys of its own, so
    a job may be done twice, and one that was interrupted is done again."""

    name: str
    """What it is about, for messages: ``utterances u1 to u32``."""
    value: Any
    """What the function of the work is called with; plain JSON values."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A pass over data as any process can do it: plain JSON values alone, and the name of a function.

    A pass that two processes can do:

    >>> work = Work(function="merc.testing.workers:adding", values={"to": 1}, jobs=[Job(name="two", value=2)])
    >>> do = work.open()
    >>> do(2)
    3
    """

    function: str
    """``module:function`` of merc or of an installed plugin, never of a recipe. A worker calls it once with
    ``values``, and it gives the function that does one job."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What the function is called with: a recipe as it was resolved, and which of its sections."""
    jobs: Sequence[Job] = ()
    """The jobs, in no order."""
    what: str = "jobs"
    """What is made, for messages: ``features``."""

    at_once: int = 1
    """How many jobs a worker may have under way in threads: two where one decodes while the other computes."""
    allow: Sequence[str] = field(default_factory=allowed)
    """The servers and variables that the user allowed, as ``merc.allow`` takes them; by default those here."""

    def open(self) -> Callable[[Any], Any]:
        """The function that does a job, made here: it is called with ``Job.value``, and gives plain JSON values."""
        allow(*self.allow, source="the command")
        module, _, name = self.function.partition(":")
        do: Callable[[Any], Any] = getattr(importlib.import_module(module), name)(self.values)
        return do


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """What became of a job."""

    place: int
    """Its place among the jobs."""
    value: Any = None
    """What it gave."""
    fault: str = ""
    """What it raised, where that cannot be raised here since another process did the job; the type and the text."""


@dataclass(frozen=True, kw_only=True)
class Workers(Component):
    """Do the jobs of a pass: a recipe's ``workers`` names some, and ``local`` stands where it names none.

    Some that do one job after the other:

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, kw_only=True)
    ... class OneByOne(Workers):
    ...     def run(self, work, progress, say):
    ...         do = work.open()
    ...         for place, job in enumerate(work.jobs):
    ...             yield JobResult(place=place, value=do(job.value))
    >>> jobs = [Job(name=str(n), value=n) for n in (1, 2)]
    >>> work = Work(function="merc.testing.workers:adding", values={"to": 1}, jobs=jobs)
    >>> [one.value for one in OneByOne().run(work, print, print)]
    [2, 3]
    """

    kind: ClassVar[str] = "workers"
    here: ClassVar[bool] = False
    """Whether they are this very process. Then a pass is not cut into jobs at all, where it can be done whole."""

    @abstractmethod
    def run(self, work: Work, progress: Progress, say: Say) -> Iterator[JobResult]:
        """Do all jobs, in any order, and give each result once, when it is there.

        A job whose worker is lost is done again by another. Closing the iterator ends the work.

        Args:
            work: The pass.
            progress: Is told how much is done.
            say: Is told what the user should know, such as that a worker was lost.

        Raises:
            MercError: A job raised it (a full disk, a mistake of the user), the workers cannot be reached any more, or
                a job was given up. What was done by then is kept, and the sentence says how much that is.
        """
