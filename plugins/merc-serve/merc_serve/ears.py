"""The thread that hears recordings, and how many may wait for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import merc
from merc_serve.batching import Full, Stopped

LOG = logging.getLogger("merc.serve")
Result = TypeVar("Result")


class Ears:
    """Hears one recording at a time, in a thread of its own: what hears uses all processors by itself.

    Args:
        most: How many recordings may wait.
    """

    def __init__(self, most: int) -> None:
        self._most, self._thread = most, ThreadPoolExecutor(1, "merc-serve-hearing")
        self._waiting: set[Future[object]] = set()

    @property
    def waiting(self) -> int:
        """How many recordings wait or are heard."""
        return len(self._waiting)

    def submit(self, hear: Callable[[], Result]) -> Future[Result]:
        """What ``hear`` will give. A future that is cancelled before its turn is not heard.

        Raises:
            Full: Too many wait.
            Stopped: The server is stopping.
        """
        if len(self._waiting) > self._most:
            raise Full
        try:
            future = self._thread.submit(_told, hear)
        except RuntimeError:  # shut down
            raise Stopped from None
        self._waiting.add(future)  # type: ignore[arg-type]
        future.add_done_callback(self._waiting.discard)  # type: ignore[arg-type]
        return future

    def stop(self) -> None:
        """Hear nothing more but what is being heard."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _told(hear: Callable[[], Result]) -> Result:
    try:
        return hear()
    except merc.MercError:
        raise
    except Exception:  # a fault of merc or of a plugin: the client is told, and the server lives on
        LOG.exception("a recording could not be heard")
        raise
