"""Work in threads that Ctrl-C can end at any instant."""

from __future__ import annotations

import _thread
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    do: Callable[[Item], Result], items: Iterable[Item], threads: int, stop: Callable[[], object] = lambda: None
) -> Generator[tuple[Item, Result]]:
    """Each item with what ``do`` gives for it, in the order of the items. ``do`` runs in threads, and is at most twice
    as many items ahead as there are threads. Raises what ``do`` raises, when its item's turn comes.

    Use it with ``contextlib.closing`` where you may stop early. At the end no further item is started, ``stop`` is
    called so that running work can return early, and running work is waited for.

    ``ThreadPoolExecutor`` does the same with locks that are written in Python: a Ctrl-C just after one was taken
    leaves it taken, and merc would wait for its own threads for ever.

    >>> list(in_threads(len, ["joy", "anger"], threads=2))
    [('joy', 3), ('anger', 5)]
    """
    waiting: SimpleQueue[tuple[Item, SimpleQueue[tuple[list[Result], BaseException | None]]] | None] = SimpleQueue()
    ends: SimpleQueue[None] = SimpleQueue()
    running: deque[tuple[Item, SimpleQueue[tuple[list[Result], BaseException | None]]]] = deque()

    def serve() -> None:
        while (one := waiting.get()) is not None:
            try:
                one[1].put(([do(one[0])], None))
            except BaseException as error:
                one[1].put(([], error))
        ends.put(None)

    def take() -> tuple[Item, Result]:
        item, answer = running.popleft()
        results, error = answer.get()
        if error is not None:
            raise error
        return item, results[0]

    threads = max(threads, 1)
    started = 0
    try:
        for item in items:
            if started < threads:
                _thread.start_new_thread(serve, ())
                started += 1
            running.append((item, SimpleQueue()))
            waiting.put(running[-1])
            if len(running) > 2 * threads:
                yield take()
        while running:
            yield take()
    finally:
        with suppress(Empty):
            while True:
                waiting.get_nowait()
        for _ in range(started):
            waiting.put(None)
        stop()
        for _ in range(started):
            ends.get()
