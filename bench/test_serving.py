"""Requests over HTTP: those of several clients answered in one pass of the model, against one after the other."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import merc
from bench.conftest import Times
from bench.test_session import run  # noqa: F401 - a fixture: SmolLM2 as it is
from bench.workload import rounds

REQUESTS = 32
WORDS = (
    "Could she have left the keys in the kitchen?",
    "Oh, look at this!",
    "He said that he would come over right now.",
    "So what would you say if it was your birthday?",
)


@contextmanager
def serving(session: merc.Session, together: int) -> Iterator[str]:
    """The address of a server that answers at most ``together`` requests in a pass."""
    serve = pytest.importorskip("merc_serve.app")
    uvicorn = pytest.importorskip("uvicorn")
    from merc_serve.command import listen
    from merc_serve.limits import Limits

    with listen("127.0.0.1", 0) as listening:
        app = serve.create_app({"run": session}, Limits(together=together))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(60)


class Clients:
    """Clients that send texts at the same time, each the next when it has its answer."""

    def __init__(self, address: str, count: int) -> None:
        self.address, self.count = address, count
        self.waited: list[float] = []

    def __call__(self) -> list[dict[str, Any]]:
        httpx = pytest.importorskip("httpx")
        texts = [f"{WORDS[number % len(WORDS)]} Number {number}." for number in range(REQUESTS)]
        with httpx.Client(base_url=self.address, timeout=600) as client, ThreadPoolExecutor(self.count) as pool:

            def one(text: str) -> dict[str, Any]:
                start = time.perf_counter()
                answer: dict[str, Any] = client.post("/v1/predict", json={"text": text}).json()["predictions"][0]
                self.waited.append(time.perf_counter() - start)
                return answer

            return list(pool.map(one, texts))

    def text(self) -> str:
        middle, late = statistics.median(self.waited), statistics.quantiles(self.waited, n=20)[-1]
        return f"p50 {1000 * middle:.0f} ms, p95 {1000 * late:.0f} ms"


@pytest.mark.parametrize("clients", [1, 8, 32])
def test_serving(run: Path, clients: int, benchmark: Any, say: Any) -> None:  # noqa: F811
    """To reach: at least 2 times the requests a second with 8 clients."""
    session = merc.load(run)
    session.predict({"text": WORDS[0]})
    with serving(session, 32) as batched, serving(session, 1) as single:
        ours, plain = Clients(batched, clients), Clients(single, clients)
        mine, theirs = Times(), Times()
        for _ in range(rounds()):
            theirs.measure(plain)
            answers = mine.measure(ours)
        for one, other in zip(answers, plain(), strict=True):
            assert one["label"] == other["label"]
            assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)
        benchmark.pedantic(ours, rounds=1)
    clock, cpu = theirs.over(mine)
    say(f"{REQUESTS} texts from {clients} clients: {clock:.1f} times (CPU {cpu:.1f})")
    say(f"    together {mine.text(REQUESTS, 'requests')}, {ours.text()}")
    say(f"    one by one {theirs.text(REQUESTS, 'requests')}, {plain.text()}")
