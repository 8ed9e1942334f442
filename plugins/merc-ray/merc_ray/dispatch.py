"""The process that talks to Ray: it starts workers, gives each its next job, and tells what becomes of it.

A line of JSON on standard input is the work; when standard input ends, so does the process. Standard output is a line
of JSON for each result, and ``end``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import merc

_QUEUED = 2
"""The jobs that a worker has: those under way, or the one under way and the next, so that it need not wait for it."""
_LOOK_SECONDS = 2.0
"""After so long without news the cluster is asked whether it has room for more workers."""
_MOST_LOST_AT_ONCE = 5
"""The work is ended when so many more workers than there are were lost while they began, and none could begin."""
_MOST_FAULTS = 3
"""The same for jobs that raise something."""


class Stop(Exception):
    """The work cannot go on; the sentence is for the user."""


@dataclass(eq=False)
class RayWorker:
    """An actor, and what it does: ``opening`` until it is ready, then jobs by the references of their results."""

    actor: Any
    opening: Any
    node: str = "?"
    jobs: dict[Any, int] = field(default_factory=dict)


class Dispatcher:
    """Does the jobs of a work on a cluster that this process is connected to."""

    def __init__(self, work: dict[str, Any], options: dict[str, Any], output: Any) -> None:
        import ray

        from merc_ray.worker import Worker

        self.ray, self.work, self.options, self.output = ray, work, options, output
        self.actors = ray.remote(
            num_cpus=options["cpus"], num_gpus=options["gpus"], max_restarts=0, max_task_retries=0,
            max_concurrency=work["at_once"],
            scheduling_strategy="SPREAD",
        )(Worker)  # fmt: skip
        self.order = json.dumps({name: value for name, value in work.items() if name != "jobs"})
        self.waiting = deque(range(len(work["jobs"])))
        self.lost_at: Counter[int] = Counter()
        self.given_up: list[int] = []
        self.workers: list[RayWorker] = []
        self.left = len(work["jobs"])
        self.done = self.faults = self.lost_in_a_row = 0
        self.looked = 0.0

    def tell(self, kind: str, value: Any = None) -> None:
        """Tell the process that waits for results."""
        ready = sum(worker.opening is None for worker in self.workers)
        self.output.write(json.dumps({"kind": kind, "value": value, "workers": ready}) + "\n")
        self.output.flush()

    def run(self) -> None:
        """Do all jobs. Raises Stop where that cannot be."""
        self.check_room()
        while self.left:
            self.grow()
            references = [ref for worker in self.workers for ref in self.references(worker)]
            ready, _ = self.ray.wait(references, num_returns=1, timeout=_LOOK_SECONDS)
            if len(references) > 1 and ready:
                ready, _ = self.ray.wait(references, num_returns=len(references), timeout=0)
            for reference in ready:
                worker = next((one for one in self.workers if reference in self.references(one)), None)
                if worker is not None:  # it was lost with an earlier reference
                    self.take(worker, reference)
            if not ready and not any(worker.opening is None for worker in self.workers):
                self.tell("waiting", "waiting for the cluster to start a worker")
        if self.given_up:
            names = [self.work["jobs"][place]["name"] for place in self.given_up]
            raise Stop(
                f"workers 'ray': {len(names)} of {len(self.work['jobs'])} jobs were given up, since "
                f"{self.options['attempts']} workers were lost at each (too little memory?): "
                f"{merc.first_names(names)}"
            )

    def check_room(self) -> None:
        """Raise Stop where no machine of the cluster could hold a worker."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        cpus, gpus = self.options["cpus"], self.options["gpus"]
        if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
            has = "; ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
            raise Stop(
                f"workers 'ray': a worker wants {cpus:g} CPUs and {gpus:g} GPUs, and no machine of the cluster has "
                f"them ({has}); set workers.cpus and workers.gpus"
            )

    def grow(self) -> None:
        """Start the workers that are wanted and not there."""
        for _ in range(min(self.wanted(), self.left) - len(self.workers)):
            actor = self.actors.remote()
            self.workers.append(RayWorker(actor, actor.open.remote(self.order)))

    def wanted(self) -> int:
        """How many workers there should be."""
        if self.options["count"] is not None:
            return int(self.options["count"])
        if not self.workers:
            return max(1, self.room(self.ray.cluster_resources()))
        if not self.waiting or time.monotonic() - self.looked < _LOOK_SECONDS:
            return len(self.workers)
        self.looked = time.monotonic()
        return len(self.workers) + self.room(self.ray.available_resources())

    def room(self, resources: dict[str, float]) -> int:
        """How many workers fit into resources. One at least of those that are starting holds its own by then."""
        if any(worker.opening is not None for worker in self.workers):
            return 0
        wants = {"CPU": self.options["cpus"], "GPU": self.options["gpus"]}
        return int(min(resources.get(name, 0) // amount for name, amount in wants.items() if amount))

    @staticmethod
    def references(worker: RayWorker) -> list[Any]:
        """What is waited for of a worker."""
        return [worker.opening] if worker.opening is not None else list(worker.jobs)

    def take(self, worker: RayWorker, reference: Any) -> None:
        """Take what a worker gave, or its loss, and give it something to do."""
        try:
            result = json.loads(self.ray.get(reference))
        except self.ray.exceptions.RayTaskError as error:
            raise Stop(f"workers 'ray': a worker could not do its work: {error.cause!r}") from None
        except self.ray.exceptions.RayError as error:
            self.lose(worker, error)
            return
        if "error" in result:
            raise Stop(f"{result['error']} (on {worker.node})" if worker.node != "?" else result["error"])
        if reference is worker.opening:
            if "fault" in result:
                raise Stop(f"workers 'ray': a worker could not begin: {result['fault']}")
            self.check_version(result["value"])
            worker.node, worker.opening = result["value"]["node"], None
            self.lost_in_a_row = 0
        else:
            self.finish(worker.jobs.pop(reference), result)
        self.give(worker)

    def give(self, worker: RayWorker) -> None:
        """Give a worker its next jobs. One at which a worker was lost goes alone, so that no other is blamed for it."""
        while self.waiting and len(worker.jobs) < _QUEUED:
            if worker.jobs and any(self.lost_at[place] for place in (self.waiting[0], *worker.jobs.values())):
                return
            place = self.waiting.popleft()
            worker.jobs[worker.actor.do.remote(json.dumps(self.work["jobs"][place]["value"]))] = place

    def finish(self, place: int, result: dict[str, Any]) -> None:
        """Tell the result of a job."""
        self.left -= 1
        if "fault" in result:
            self.faults += 1
            if self.faults >= _MOST_FAULTS and not self.done:
                raise Stop(f"workers 'ray': {self.work['jobs'][place]['name']}: {result['fault']}")
        else:
            self.done += 1
        self.tell("done", {"place": place, **result})

    def lose(self, worker: RayWorker, error: Exception) -> None:
        """Put a lost worker's jobs back; the first of them are those that were under way."""
        self.workers.remove(worker)
        self.lost_in_a_row += worker.opening is not None
        if self.lost_in_a_row > _MOST_LOST_AT_ONCE + len(self.workers):
            raise Stop(f"workers 'ray': {self.lost_in_a_row} workers were lost while they began: {_first_line(error)}")
        places = list(worker.jobs.values())
        self.lost_at.update(places[: self.work["at_once"]])
        for place in reversed(places):
            if self.lost_at[place] >= self.options["attempts"]:
                self.given_up.append(place)
                self.left -= 1
            else:
                self.waiting.appendleft(place)
        what = f"; {', '.join(self.work['jobs'][place]['name'] for place in places)}: done again" if places else ""
        self.tell("say", f"workers 'ray': a worker was lost on {worker.node}{what}")
        for other in self.workers:
            if other.opening is None:
                self.give(other)

    def check_version(self, worker: dict[str, Any]) -> None:
        """Raise Stop for a worker with another merc."""
        if worker["merc"] != merc.__version__:
            raise Stop(
                f"workers 'ray': {worker['node']} has merc {worker['merc']}, and this machine {merc.__version__}; "
                "install the same"
            )


def main() -> int:
    """Do the work that standard input holds."""
    # Ray, and what it starts, may print; results have a file of their own.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    options = order["options"]

    def tell(kind: str, value: Any = None) -> None:
        output.write(json.dumps({"kind": kind, "value": value, "workers": 0}) + "\n")
        output.flush()

    tell("waiting", f"connecting to Ray at {options['address']}")
    import ray

    own = {"include_dashboard": False} if options["address"] == "local" else {}
    try:
        ray.init(address=options["address"], log_to_driver=False, logging_level="error", **own)
    except Exception as error:  # of several kinds, and RuntimeError for what it cannot reach
        tell(
            "error",
            f"workers 'ray': no cluster can be reached at {options['address']!r}: {_first_line(error)}; start one "
            "with: ray start --head, or set workers.address=local",
        )
        return 2
    tell("connected")
    try:
        Dispatcher(order["work"], options, output).run()
        tell("end")
    except Stop as stop:
        tell("error", str(stop))
    finally:
        ray.shutdown()
    return 0


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _leave_with_parent() -> None:
    sys.stdin.buffer.read()
    import ray

    ray.shutdown()
    os._exit(0)


if __name__ == "__main__":
    raise SystemExit(main())
