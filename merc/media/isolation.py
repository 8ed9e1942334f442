"""Decoding in processes of its own, so that a damaged clip costs its own features and nothing else."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from merc.components.encoder import AudioClip, Missing
from merc.components.segmenter import SoundWindow
from merc.errors import MercError
from merc.media.container import Unreadable
from merc.media.decode import Decoded, Want, decode_here, groups
from merc.media.limits import Limits
from merc.media.listening import WINDOW_SECONDS, listen_here
from merc.media.probe import MediaInfo, probe_here
from merc.media.wire import Message, pack_want, receive, send, unpack

# A process cannot be given one end of a pair of sockets on Windows; there merc decodes in its own process.
ISOLATED = os.name == "posix"
# The path is handed over since merc may have been found by one that its caller changed; -P keeps the working folder,
# which may be a stranger's, off it.
_CODE = """import json, sys
sys.path[:] = json.loads(sys.argv[2])
from merc.media.worker import main
main(int(sys.argv[1]))"""
_NO_START = "a process to decode media in cannot be started"
_MOST_IDLE = 16
# A file whose decoder died so often is not tried further.
_MOST_DEATHS = 2


class Worker:
    """A decoder process. It is asked for one thing at a time."""

    def __init__(self) -> None:
        self._sock, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the worker
        # Threads would take address space, which is limited, and have nothing to do.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CODE, str(theirs.fileno()), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=[theirs.fileno()],
                env=environment,
                process_group=0,  # Ctrl-C in a terminal is merc's to handle
            )
        except OSError as error:
            self.forget()
            raise MercError(f"{_NO_START}: {error}") from None
        finally:
            theirs.close()
        self._ready = self._killed = False

    def ask(self, request: Message) -> None:
        """Send a request. A worker that has died meanwhile answers nothing."""
        with contextlib.suppress(OSError):
            send(self._sock, request)

    def answer(self) -> Message | None:
        """The next answer, ``None`` from a worker that has died. Raises MercError for one that never came to life."""
        if not self._ready:
            if receive(self._sock) is None:
                if self._killed:
                    return None
                text = self.close()[1].strip().splitlines()
                raise MercError(f"{_NO_START}: {text[-1] if text else 'it ended at once'}")
            self._ready = True
        return receive(self._sock)

    def lives(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process now. Whoever waits for its answer sees that it has died."""
        self._killed = True
        self._process.kill()

    def forget(self) -> None:
        """Close what belongs to the process this one was forked from."""
        self._sock.close()
        self._errors.close()

    def close(self) -> tuple[int, str]:
        """End the process if it has not ended; its exit code (negative: the signal), and what it complained of."""
        self._sock.close()
        try:
            code = self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._errors.closed:
            return code, ""
        self._errors.seek(0)
        text = self._errors.read(1 << 16).decode("utf-8", "replace")
        self._errors.close()
        return code, text


class _Idle:
    """Workers that wait for work. They are kept, since starting one takes as long as decoding several clips."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: list[Worker] = []

    def take(self) -> Worker:
        while True:
            with self._lock:
                worker = self._workers.pop() if self._workers else None
            if worker is None:
                return Worker()
            if worker.lives():
                return worker
            worker.close()  # it was ended while it waited, which is not the next file's fault

    def give(self, worker: Worker) -> None:
        with self._lock:
            if len(self._workers) < _MOST_IDLE:
                self._workers.append(worker)
                return
        worker.close()

    def close(self) -> None:
        with self._lock:
            workers, self._workers = self._workers, []
        for worker in workers:
            worker.close()

    def forget(self) -> None:
        """In a forked process: the workers belong to the other one."""
        self._lock = threading.Lock()
        for worker in self._workers:
            worker.forget()
        self._workers = []


_IDLE = _Idle()
atexit.register(_IDLE.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_IDLE.forget)


class Decoders:
    """Decodes for one pass, in any number of threads. ``stop`` lets all of them return at once."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._busy: set[Worker] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def decode(self, path: Path, wants: Sequence[Want], seed: int, content: str = "") -> list[Decoded]:
        """What is wanted of a file, in the order of ``wants``. ``content`` is the file's hash, which seeds random
        draws. Nothing is raised for a bad file, not even where its decoder crashes or hangs."""
        if not ISOLATED:
            return decode_here(path, wants, seed, content)
        answered: dict[int, Decoded] = {}
        left = list(range(len(wants)))
        deaths = 0
        while left:
            open_wants = [wants[place] for place in left]
            parts, fault = self._decode(path, open_wants, seed, content)
            answered.update({left[at]: one for at, one in parts.items()})
            if fault is None:
                break
            deaths += 1
            # It died at the first group that it did not answer; what comes after may be sound.
            lost = next(group for group in groups(open_wants) if group[0] not in parts)
            if deaths == _MOST_DEATHS or self._stopped:
                lost = [at for at in range(len(open_wants)) if at not in parts]
            answered.update({left[at]: Decoded(Missing(fault)) for at in lost})
            left = [place for place in left if place not in answered]
        return [answered[place] for place in range(len(wants))]

    def _decode(
        self, path: Path, wants: Sequence[Want], seed: int, content: str
    ) -> tuple[dict[int, Decoded], str | None]:
        """What a worker gave before it was done or died, and why it died."""
        parts: dict[int, Decoded] = {}
        packed = [pack_want(want) for want in wants]
        request = {"do": "decode", "wants": packed, "seed": seed, "content": content}

        def accept(message: Message) -> bool:
            parts.update(zip(message["places"], unpack(message), strict=True))
            return len(parts) == len(wants)

        return parts, self._ask(path, request, accept)

    def probe(self, path: Path) -> MediaInfo:
        """What a file states of itself. Raises Unreadable."""
        if not ISOLATED:
            return probe_here(path)
        answers: list[Message] = []

        def accept(message: Message) -> bool:
            answers.append(message)
            return True

        if (fault := self._ask(path, {"do": "probe"}, accept)) is not None:
            raise Unreadable(fault)
        if "unreadable" in answers[0]:
            raise Unreadable(answers[0]["unreadable"])
        return MediaInfo(**{key: answers[0][key] for key in ("video", "audio", "seconds")})

    def listen(self, path: Path, rate: int, seconds: float = WINDOW_SECONDS) -> Iterator[SoundWindow]:
        """The sound of a file in windows, as ``listen_here`` gives it; one window is decoded when the one before it was
        taken, so that whoever takes them may need as long as they like. Raises Unreadable, after the windows that there
        are, where a file could not be heard to its end, its decoder's crash included."""
        if not ISOLATED:
            yield from listen_here(path, rate, seconds)
            return
        worker = self._taken()
        done = False
        try:
            worker.ask(self._request(path, {"do": "listen", "rate": rate, "seconds": seconds}))
            while (message := worker.answer()) is not None:
                if "start" not in message:
                    done = True
                    break
                clip = AudioClip(samples=message["arrays"][0], rate=rate)
                yield SoundWindow(start=message["start"], clip=clip)
                worker.ask({"next": True})
        finally:
            fault = self._released(path, worker, done)
        if fault is not None:
            raise Unreadable(fault)
        if message and message.get("unreadable"):
            raise Unreadable(message["unreadable"])

    def stop(self) -> None:
        """End what is being decoded: threads that wait for it return at once."""
        with self._lock:
            self._stopped = True
            for worker in self._busy:
                worker.kill()

    def _ask(self, path: Path, request: Message, accept: Callable[[Message], bool]) -> str | None:
        """Ask a worker, until ``accept`` has all that it wants; why the worker died, if it did."""
        worker = self._taken()
        done = False
        try:
            worker.ask(self._request(path, request))
            while not done and (message := worker.answer()) is not None:
                done = accept(message)
        finally:
            fault = self._released(path, worker, done)
        return fault

    def _request(self, path: Path, request: Message) -> Message:
        return {**request, "path": str(path.absolute()), "limits": asdict(self.limits)}

    def _taken(self) -> Worker:
        """A worker, which ``stop`` kills."""
        worker = _IDLE.take()
        with self._lock:
            if self._stopped:
                worker.kill()
            self._busy.add(worker)
        return worker

    def _released(self, path: Path, worker: Worker, done: bool) -> str | None:
        """Give back a worker that is done, and end another; why it died, then."""
        with self._lock:
            self._busy.discard(worker)
        if done:
            _IDLE.give(worker)
            return None
        worker.kill()
        code, text = worker.close()
        return self._fault(path, code, text)

    def _fault(self, path: Path, code: int, text: str) -> str:
        """Why a worker died."""
        limits = self.limits
        if code == -signal.SIGALRM:
            return f"{path.name}: its decoder took more than {limits.seconds:g} s (features.decode_seconds allows more)"
        if limits.gigabytes is not None and ("bad_alloc" in text or "MemoryError" in text):
            return (
                f"{path.name}: its decoder crashed, as it asked for more than {limits.gigabytes:g} GB of memory "
                "(features.decode_gigabytes)"
            )
        if code < 0:
            return f"{path.name}: its decoder crashed ({signal.Signals(-code).name})"
        return f"{path.name}: its decoder crashed (exit code {code})"
