"""Runs in processes of their own, some at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import merc

_SHOWN = 400


@dataclass(frozen=True)
class Job:
    """A run: its name, its folder, and the arguments of ``merc run``."""

    name: str
    folder: Path
    arguments: Sequence[str]


def run_all(jobs: Sequence[Job], processes: int, say: Callable[[str], None]) -> dict[str, str]:
    """Run every job through ``merc run``, ``processes`` at once; gives by name what those said last that failed.

    What a run has begun is gone on with, and what it says goes to the end of ``<folder>.log``. Ctrl-C and SIGTERM ask
    the runs to stop, which keep a checkpoint, and are raised as KeyboardInterrupt when they have.
    """
    failed: dict[str, str] = {}
    running: set[subprocess.Popen[bytes]] = set()
    lock, stopped = threading.Lock(), threading.Event()

    def one(job: Job) -> str:
        with lock:
            if stopped.is_set():
                return ""
            job.folder.parent.mkdir(parents=True, exist_ok=True)
            resume = (job.folder / "recipe.yaml").exists() and "--folds" not in job.arguments
            command = [sys.executable, "-m", "merc", "run", *job.arguments, "--run-dir", str(job.folder)]
            with _log(job).open("ab") as log:
                before = log.tell()
                # A session of its own, so that Ctrl-C reaches it through ``stop`` alone: a second signal would end it
                # at once. Its results have numbers of test, so they are not kept here.
                process = subprocess.Popen(
                    [*command, *(["--resume"] if resume else [])], stdout=subprocess.DEVNULL, stderr=log,
                    env=_environment(), start_new_session=True,
                )  # fmt: skip
            running.add(process)
        code = process.wait()
        with lock:
            running.discard(process)
        return "" if code == 0 or stopped.is_set() else _last_words(job, code, before)

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    pool = ThreadPoolExecutor(processes)
    try:
        futures = {pool.submit(one, job): job for job in jobs}
        for done, future in enumerate(as_completed(futures), 1):
            job = futures[future]
            if words := future.result():
                failed[job.name] = words
            say(f"{done}/{len(jobs)}: {job.name}{' failed: ' + words if words else ''}")
    finally:
        stopped.set()
        with lock:
            for process in running:
                process.send_signal(signal.SIGTERM)
        pool.shutdown(cancel_futures=True)
        signal.signal(signal.SIGTERM, before)
    return failed


def _environment() -> Mapping[str, str]:
    """That of this process, in which the runs are allowed what it is."""
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    return {**os.environ, "OMP_NUM_THREADS": threads, "MERC_ALLOW": ",".join(merc.allowed())}


def _log(job: Job) -> Path:
    return job.folder.with_name(f"{job.folder.name}.log")


def _last_words(job: Job, code: int, before: int) -> str:
    """The error that a run ended with, else its last line. The first ``before`` bytes of the log are of earlier
    starts."""
    text = _log(job).read_bytes()[before:].decode(errors="replace")
    lines = [one.strip() for one in text.splitlines() if one.strip()]
    at = next((place for place, line in enumerate(lines) if line.startswith("error:")), len(lines) - 1)
    words = " ".join(lines[at : at + 4]) if lines else f"it ended with {code} and said nothing"
    return words[:_SHOWN]
