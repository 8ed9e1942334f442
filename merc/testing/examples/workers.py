"""Example, workers: replace the threads of this process with where yours do the jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Workers):
    """Threads of this process; ``count`` is how many."""

    count: int = 2

    def __post_init__(self) -> None:
        merc.at_least(1, self, "count")

    def run(
        self, work: merc.Work, progress: Callable[[float, str], None], say: Callable[[str], None]
    ) -> Iterator[merc.JobResult]:
        """Do the jobs, and give each result when it is there. What a job raises is raised."""
        do = work.open()
        with ThreadPoolExecutor(self.count) as pool:
            running = {pool.submit(do, job.value): place for place, job in enumerate(work.jobs)}
            try:
                for done, one in enumerate(as_completed(running), start=1):
                    place = running[one]
                    yield merc.JobResult(place=place, value=one.result())
                    progress(done / len(running), work.jobs[place].name)
            finally:
                pool.shutdown(cancel_futures=True)
