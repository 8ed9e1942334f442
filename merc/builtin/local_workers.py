"""Workers of this process: the default, which needs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from merc.components import JobResult, Work, Workers
from merc.components.workers import Progress, Say


@dataclass(frozen=True, kw_only=True)
class Local(Workers):
    """This process, which does one job after the other."""

    here: ClassVar[bool] = True

    def run(self, work: Work, progress: Progress, say: Say) -> Iterator[JobResult]:
        """Do the jobs in their order. What one raises is raised as it is."""
        do = work.open()
        for place, job in enumerate(work.jobs):
            progress(place / len(work.jobs), job.name)
            yield JobResult(place=place, value=do(job.value))
        progress(1.0, f"all {len(work.jobs)} jobs are done")
