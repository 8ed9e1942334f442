"""A run in memory, and a server that answers with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from merc_serve.app import create_app
from merc_serve.command import listen
from merc_serve.limits import Limits

import merc
from tests.conftest import own_run, program, senses, trained  # noqa: F401 - fixtures
from tests.senses import senses_here


@pytest.fixture(scope="module")
def session(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[merc.Session]:  # noqa: F811
    """The run of ``tests.senses``, loaded in this process."""
    with senses_here(tmp_path_factory):
        yield merc.load(trained)


Serve = Callable[..., AbstractContextManager[httpx.Client]]


@contextmanager
def _served(session: merc.Session, limits: Limits | None = None, key: str | None = None) -> Iterator[httpx.Client]:
    """A server over real HTTP, in a thread, and a client of it."""
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        app = create_app({"run": session}, limits, key, ["127.0.0.1", "localhost"])
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            yield client
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def client(session: merc.Session) -> Iterator[httpx.Client]:
    """A client of a server with usual limits."""
    with _served(session) as client:
        yield client


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Serves a session over real HTTP, with limits and a key if wanted."""
    return _served
