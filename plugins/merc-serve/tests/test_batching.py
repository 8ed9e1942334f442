"""Requests that wait together are answered together."""

from __future__ import annotations

import threading
import time
from pathlib import Path
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
        faults = {"bad": merc.MercError("no"), "faulty": ZeroDivisionError("a plugin's")}
        return [faults.get(str(one), [one]) for one in requests]


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


def test_an_error_is_of_its_request_alone(caplog: pytest.LogCaptureFixture) -> None:
    session = Echo()
    session.free.set()
    batcher = Batcher(session, Limits(gather=0.2))  # type: ignore[arg-type]
    good, bad = batcher.submit("good"), batcher.submit("bad")
    assert good.result(30) == ["good"]
    with pytest.raises(merc.MercError, match="no"):
        bad.result(30)
    good, faulty = batcher.submit("good"), batcher.submit("faulty")
    assert good.result(30) == ["good"]
    with pytest.raises(ZeroDivisionError, match="a plugin's"):
        faulty.result(30)
    assert "a request failed" in caplog.text
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


def test_words_that_come_while_a_pass_is_computed_are_the_next_pass() -> None:
    session = Echo()
    batcher = Batcher(session, Limits(gather=0.01))  # type: ignore[arg-type]
    futures = []
    for text in "abc":
        futures.append(batcher.submit({"text": text}))
        time.sleep(0.2)  # far longer than requests are gathered for
    assert session.sizes == [1]
    session.free.set()
    assert [future.result(30) for future in futures] == [[{"text": text}] for text in "abc"]
    assert session.sizes == [1, 2]
    batcher.stop()


@pytest.mark.parametrize(
    "request_with_media",
    [
        {"text": "b", "video": "b.mp4"},
        [merc.Conversation(id="b", utterances=(merc.Utterance(id="b", text="", audio=Path("b.wav")),))],
    ],
)
def test_media_are_read_while_another_pass_is_computed(request_with_media: Any) -> None:
    session = Echo()
    batcher = Batcher(session, Limits(gather=0.01))  # type: ignore[arg-type]
    futures = [batcher.submit({"text": "a"})]
    time.sleep(0.2)
    futures.append(batcher.submit(request_with_media))
    for _ in range(100):
        if len(session.sizes) == 2:
            break
        time.sleep(0.05)
    assert session.sizes == [1, 1]
    session.free.set()
    assert [len(future.result(30)) for future in futures] == [1, 1]
    batcher.stop()
