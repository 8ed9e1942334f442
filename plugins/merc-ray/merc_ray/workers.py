"""Workers on a Ray cluster.

A process of its own talks to Ray (``merc_ray.dispatch``), since Ray ends a process whose cluster is lost. It is given
the work, and gives results, as lines of JSON. Between that process and the workers Ray sends messages in its own way,
which is cloudpickle: what merc puts in them is the class of the worker, by name, and texts of JSON. Nothing that merc
keeps is a pickle.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO, Any

import merc

_AGAIN = "what was made is kept: give the same command again"
_STOP_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Ray(merc.Workers):
    """Workers on a Ray cluster, on as many machines as it has.

    Media, stores and runs have the same paths on each, as on a shared disk, and merc and its plugins are installed in
    the same versions. Work is pulled: a worker that has done a job gets the next. The job of one that is lost is
    done again by another. A server at ``address`` needs your consent, since it is sent the recipe and runs code.
    """

    address: str = "auto"
    """Where the cluster is: ``HOST:PORT`` of its head, ``auto`` for the one that this machine is part of (or that
    ``RAY_ADDRESS`` names), ``local`` for one that is started here and ends with the command."""
    count: int | None = None
    """How many workers; as many as the cluster has room for where it is not given, those included that it has later."""
    cpus: float = 1.0
    """The CPUs of a worker."""
    gpus: float = 0.0
    """The GPUs of a worker; 0.5 lets two share one."""
    attempts: int = 3
    """A job is given up when so many workers were lost at it."""

    def __post_init__(self) -> None:
        merc.at_least(1, self, "count", "attempts")
        if not (self.cpus >= 0 and self.gpus >= 0 and self.cpus + self.gpus > 0):
            raise ValueError(
                f"cpus and gpus count from 0, and not both are 0; they are {self.cpus:g} and {self.gpus:g}"
            )

    def servers(self) -> Sequence[str]:
        """The head of the cluster, where it is named."""
        if self.address in ("auto", "local"):
            return ()
        return (f"http://{self.address.removeprefix('ray://')}",)

    def run(
        self, work: merc.Work, progress: Callable[[float, str], None], say: Callable[[str], None]
    ) -> Iterator[merc.JobResult]:
        """Do the jobs on the cluster. Raises MercError where it cannot be reached, or not any more, and for jobs that
        were given up."""
        if not work.jobs:
            return
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as messages:
            process = self._start(work, messages)
            done, connected = 0, False
            try:
                for line in _lines(process):
                    kind, value = line["kind"], line["value"]
                    if kind == "done":
                        done += "fault" not in value
                        progress(done / len(work.jobs), f"{done} of {len(work.jobs)} jobs, {line['workers']} workers")
                        yield merc.JobResult(**value)
                    elif kind == "connected":
                        connected = True
                    elif kind == "waiting":
                        progress(done / len(work.jobs), value)
                    elif kind == "say":
                        say(value)
                    elif kind == "error":
                        raise merc.MercError(f"{value}\n{self._account(work, done)}")
                    elif kind == "end":
                        return
                what = f"the cluster at {self.address!r} is gone{_reason(messages)}"
                if not connected:
                    what = f"no cluster can be reached at {self.address!r}{_reason(messages)}"
                    what += "; start one with: ray start --head"
                raise merc.MercError(f"workers 'ray': {what}\n{self._account(work, done)}")
            finally:
                _stop(process)

    def _start(self, work: merc.Work, messages: IO[str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "merc_ray.dispatch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            env={**os.environ, **_QUIET},
        )
        order = {"work": asdict(work), "options": asdict(self)}
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once; what it said comes as its error
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
        return process

    def _account(self, work: merc.Work, done: int) -> str:
        return f"{done} of {len(work.jobs)} jobs of {work.what} are done; {_AGAIN}"


_QUIET = {
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray sends nothing home
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "20",
}


def _lines(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def _reason(messages: IO[str]) -> str:
    """The last that the process wrote before it ended."""
    messages.seek(0)
    lines = [line.strip() for line in messages if line.strip()]
    last = re.sub(r"^\[.*?\] (\S+:\d+: )?", "", lines[-1]) if lines else ""
    return f" ({last.split('. ')[0][:200]})" if last else ""


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process: it leaves when its input ends, and its workers with it."""
    assert process.stdin is not None and process.stdout is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
