"""SIGTERM and Ctrl-C: in training they let a step end and a checkpoint be written, elsewhere they end the run."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)

# A launcher passes on what its processes have had from the terminal already: that is no second wish to stop.
_SAME_WISH_SECONDS = 5.0


class Stopped(BaseException):
    """The run was asked to stop and did. ``signal`` is the one that asked.

    Like KeyboardInterrupt it is no Exception, so that code which gets over failures does not get over this.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        self.signal = signal_number
        super().__init__(message)


class StopRequest:
    """A context in which SIGTERM and SIGINT set ``signal`` instead of ending the process; a second one ends it.

    ``acknowledgement`` is written to standard error as soon as the first comes, however long what it lets end takes.
    """

    def __init__(self, acknowledgement: str = "") -> None:
        self.acknowledgement = acknowledgement
        self.signal = 0
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        self._before = _install(self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _put_back(self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            if "LOCAL_RANK" in os.environ and time.monotonic() - self._since < _SAME_WISH_SECONDS:
                return
            _put_back(self._before)
            signal.raise_signal(number)
        self.signal = number
        self._since = time.monotonic()
        if self.acknowledgement:
            # Not by print: the signal may have come in the midst of one, whose buffer is not to be entered twice.
            with contextlib.suppress(OSError, ValueError):
                os.write(sys.stderr.fileno(), f"\n{self.acknowledgement}\n".encode())


@contextmanager
def stops_at_once(sentence: str) -> Iterator[None]:
    """While the block lasts, SIGTERM and SIGINT raise Stopped with the sentence, in this process."""
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a child that was forked ends as if nobody had said anything
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        raise Stopped(sentence, number)

    before = _install(stop)
    try:
        yield
    finally:
        _put_back(before)


def _install(handler: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """Handle the signals; gives what handled them before. In another thread than the main one signals are somebody
    else's, and nothing is done."""
    try:
        return {number: signal.signal(number, handler) for number in SIGNALS}
    except ValueError:
        return {}


def _put_back(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
