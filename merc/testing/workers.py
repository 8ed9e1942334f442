"""The contract of workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from merc.components import Job, JobResult, Work, Workers
from merc.errors import MercError
from merc.testing.contract import ComponentContract, require

_ADDING = f"{__name__}:adding"


def adding(values: Mapping[str, Any]) -> Callable[[Any], int]:
    """The function of the work that is checked: a job is a number, to which ``to`` is added; ``"wrong"`` is a mistake
    of the user, and ``None`` a fault of the program."""

    def do(value: Any) -> int:
        if value == "wrong":
            raise MercError("the number is wrong; give another")
        return int(value + values["to"])

    return do


class WorkersContract(ComponentContract):
    """What workers must keep: each job is done and told once, and what goes wrong arrives as what it is."""

    kind = "workers"
    component: ClassVar[Workers]

    def _results(self, *jobs: Any) -> list[JobResult]:
        work = Work(
            function=_ADDING,
            values={"to": 1},
            jobs=[Job(name=f"job {place}", value=value) for place, value in enumerate(jobs)],
            what="numbers",
        )
        self.shares: list[float] = []
        return list(self.component.run(work, lambda share, text: self.shares.append(share), lambda sentence: None))

    def test_does_each_job_once(self) -> None:
        """Every place among the jobs has one result, the right one, and the share that is done does not go back."""
        results = self._results(*range(20))
        values = {one.place: one.value for one in results}
        require(len(results) == 20, f"20 jobs gave {len(results)} results")
        require(values == {place: place + 1 for place in range(20)}, f"the results are {values}")
        require(all(0 <= share <= 1 for share in self.shares), f"progress is from 0 to 1, not {self.shares}")
        require(self.shares == sorted(self.shares), f"progress went back: {self.shares}")

    def test_does_nothing_without_jobs(self) -> None:
        """No jobs, no results."""
        require(self._results() == [], "there are results without a job")

    def test_a_mistake_of_the_user_is_raised(self) -> None:
        """A MercError of a job is a MercError here, with its sentence."""
        try:
            self._results(1, "wrong")
        except MercError as error:
            require("the number is wrong; give another" in str(error), f"the sentence is lost: {error}")
            return
        require(False, "a job raised a MercError, and nothing was raised")

    def test_another_fault_is_not_lost(self) -> None:
        """What else a job raises is raised here, or told with its type as the fault of its result."""
        try:
            (result,) = self._results(None)
        except TypeError:
            return
        require("TypeError" in result.fault, f"the fault of a job that raised TypeError is {result.fault!r}")
