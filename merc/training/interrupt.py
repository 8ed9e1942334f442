"""SIGTERM and Ctrl-C let a step end and a checkpoint be written."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType


class Stopped(Exception):
    """Training was asked to stop and did, behind a checkpoint. ``signal`` is the one that asked."""

    def __init__(self, message: str, signal_number: int) -> None:
        self.signal = signal_number
        super().__init__(message)


class StopRequest:
    """A context in which SIGTERM and SIGINT set ``asked`` instead of ending the process; a second one ends it."""

    def __init__(self) -> None:
        self.asked = 0
        self._before: dict[int, signal.Handlers | None] = {}

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._before[number] = signal.signal(number, self._note)  # type: ignore[assignment]
            except ValueError:  # not in the main thread: signals are somebody else's
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self.__exit__(None, None, None)
            signal.raise_signal(number)
        self.asked = number
