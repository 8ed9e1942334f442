"""Requests that wait together are answered together."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from merc_serve.batching import Batcher, Full, Stopped
from merc_serve.limits import Limits

import merc


class Echo:
    """A session that answers with what it was asked, and keeps how many came at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.free = threading.Event()

    def predict_together(self, requests: Any) -> list[Any]:
        self.sizes.append(len(requests))
        self.free.wait(30)
        return [merc.MercError("no") if one == "bad" else [one] for one in requests]


def test_what_comes_within_the_time_is_one_pass() -> None:
    session = Echo()
    session.free.set()
    batcher = Batcher(session, Limits(gather=0.5))  # type: ignore[arg-type]
    futures = [batcher.submit(number) for number in range(7)]
    assert [future.result(30) for future in futures] == [[number] for number in range(7)]
    assert session.sizes == [7]
    batcher.stop()


def test_no_pass_is_larger_than_allowed() -> None:
    session = Echo()
    session.free.set()
    batcher = Batcher(session, Limits(gather=0.5, together=3))  # type: ignore[arg-type]
    futures = [batcher.submit(number) for number in range(7)]
    assert [future.result(30) for future in futures] == [[number] for number in range(7)]
    assert max(session.sizes) == 3 and sum(session.sizes) == 7
    batcher.stop()


def test_an_error_is_of_its_request_alone() -> None:
    session = Echo()
    session.free.set()
    batcher = Batcher(session, Limits(gather=0.2))  # type: ignore[arg-type]
    good, bad = batcher.submit("good"), batcher.submit("bad")
    assert good.result(30) == ["good"]
    with pytest.raises(merc.MercError, match="no"):
        bad.result(30)
    batcher.stop()


def test_what_is_cancelled_is_not_computed_and_stopping_answers_the_rest() -> None:
    session = Echo()
    batcher = Batcher(session, Limits(gather=0.0, together=1, queue=4))  # type: ignore[arg-type]
    working = [batcher.submit(number) for number in range(2)]
    while len(session.sizes) < 2:
        threading.Event().wait(0.01)
    waiting = [batcher.submit(number) for number in range(2, 6)]
    with pytest.raises(Full):
        batcher.submit(6)
    assert waiting[0].cancel()
    session.free.set()
    batcher.stop()
    assert [future.result(1) for future in (*working, *waiting[1:])] == [[0], [1], [3], [4], [5]]
    assert session.sizes == [1] * 5
    with pytest.raises(Stopped):
        batcher.submit(7)
