"""Requests that wait, and the threads that answer those that wait at the same time together."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import merc
from merc_serve.limits import Limits

LOG = logging.getLogger("merc.serve")

Reply = list[merc.Prediction]


class Full(Exception):
    """More requests wait than may."""


class Stopped(Exception):
    """The server is stopping."""


class Batcher:
    """Answers requests with a session, those that come within a few milliseconds in one pass of the model.

    Two threads take turns: while one has the model, the other decodes and encodes the media of the next requests, or
    gathers more of those that have none.

    Args:
        session: The run in memory.
        limits: How many may wait, how many are answered together, and how long the first waits for others.
        threads: How many threads take turns.
    """

    def __init__(self, session: merc.Session, limits: Limits, threads: int = 2) -> None:
        self.session, self.limits = session, limits
        self._waiting: queue.Queue[tuple[Any, Future[Reply]] | None] = queue.Queue(limits.queue)
        self._gathering, self._counting = threading.Lock(), threading.Lock()
        self._at_work = 0
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"merc-serve-{n}", daemon=True) for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._waiting.qsize()

    def submit(self, request: Any) -> Future[Reply]:
        """The answer to come of something that ``Session.predict`` takes. A future that is cancelled before its turn is
        not computed.

        Raises:
            Full: Too many wait.
            Stopped: The server is stopping.
        """
        if self._stopping:
            raise Stopped
        future: Future[Reply] = Future()
        try:
            self._waiting.put_nowait((request, future))
        except queue.Full:
            raise Full from None
        return future

    def stop(self, seconds: float = 30.0) -> None:
        """Answer what waits, take nothing more, and end the threads."""
        self._stopping = True
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(seconds)

    def _work(self) -> None:
        while True:
            with self._gathering:
                batch, last = self._gather()
                with self._counting:
                    self._at_work += 1
            if batch:
                self._answer(batch)
            with self._counting:
                self._at_work -= 1
            if last:
                return

    def _gather(self) -> tuple[list[tuple[Any, Future[Reply]]], bool]:
        """The requests of one pass, and whether nothing comes after them."""
        batch: list[tuple[Any, Future[Reply]]] = []
        until: float | None = None
        while len(batch) < self.limits.together:
            try:
                item = self._waiting.get(timeout=None if until is None else max(until - time.monotonic(), 0.0))
            except queue.Empty:
                if self._at_work and not any(_has_media(request) for request, _ in batch):
                    until = time.monotonic() + self.limits.gather  # the model is not free yet
                    continue
                break
            if item is None:
                return batch, True
            if item[1].set_running_or_notify_cancel():
                batch.append(item)
                until = until or time.monotonic() + self.limits.gather
        return batch, False

    def _answer(self, batch: Sequence[tuple[Any, Future[Reply]]]) -> None:
        try:
            replies = self.session.predict_together([request for request, _ in batch])
        except Exception as error:  # a fault of merc or of a plugin: those who wait are told, and the server lives on
            LOG.exception("a pass over %d requests failed", len(batch))
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), reply in zip(batch, replies, strict=True):
            if isinstance(reply, Exception):
                if not isinstance(reply, merc.MercError):
                    LOG.error("a request failed", exc_info=reply)
                future.set_exception(reply)
            else:
                future.set_result(reply)


def _has_media(request: Any) -> bool:
    """Whether a request has pictures or sound, which are decoded before the model is asked."""
    if isinstance(request, merc.Conversation):
        return any(one.video is not None or one.audio is not None for one in request.utterances)
    if isinstance(request, Mapping):
        return any(request.get(name) is not None for name in ("video", "audio"))
    return not isinstance(request, list | tuple) or any(map(_has_media, request))
