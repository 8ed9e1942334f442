"""``merc serve`` in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.senses import install_senses

BODY = {"text": "You came!"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    site = install_senses(tmp_path_factory.mktemp("site"))
    plugins = {"MERC_PLUGINS": "tiny,merc-serve", "MERC_CACHE": str(tmp_path_factory.mktemp("cache"))}
    return {**os.environ, **plugins, "PYTHONPATH": str(site), "PYTHONUNBUFFERED": "1"}


def start(environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("merc")), "serve", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def serving(environment: dict[str, str], *words: str) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """A server's process, its address, and what it has said so far."""
    process = start(environment, *words, "--port", "0")
    said: list[str] = []
    try:
        assert process.stderr is not None
        address = ""
        for line in process.stderr:
            said.append(line)
            if " at http://" in line:
                address = line.split(" at ")[1].split()[0]
                break
        assert address, "".join(said)
        reading = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
        reading.start()
        yield process, address, said
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_asked_to_stop(
    environment: dict[str, str], own_run: Path, number: signal.Signals
) -> None:
    with serving(environment, str(own_run)) as (process, address, said):
        before = httpx.post(f"{address}/v1/predict", json=BODY, timeout=120).json()
        shutil.rmtree(own_run)
        assert httpx.post(f"{address}/v1/predict", json=BODY, timeout=120).json() == before
        assert "gone" in httpx.get(f"{address}/v1/run").json()["note"]
        process.send_signal(number)
        process.wait(60)
        assert not any("Traceback" in line for line in said), said


@pytest.mark.slow
def test_several_runs_have_a_name_each(environment: dict[str, str], own_run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(own_run, tmp_path / "other"))
    with serving(environment, str(own_run), str(other)) as (_, address, _):
        assert httpx.get(f"{address}/v1/runs").json() == {"runs": ["run", "other"]}
        answers = [
            httpx.post(f"{address}/v1/predict?run={run}", json=BODY, timeout=120).json() for run in ("run", "other")
        ]
        assert answers[0] == answers[1]
    ended = start(environment, str(own_run), str(Path(shutil.copytree(own_run, tmp_path / "b" / "run"))), "--port", "0")
    assert "one name" in ended.communicate(timeout=120)[1] and ended.returncode == 2


def test_what_cannot_be_served_is_a_sentence(environment: dict[str, str], own_run: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases = {
            (str(own_run), "--port", port): ["port", port, "--port"],
            (str(tmp_path / "nothing"), "--port", "0"): ["nothing"],
            (str(own_run), "--port", "0", "--key-env", "NO_SUCH_KEY"): ["NO_SUCH_KEY", "not set"],
            (str(own_run), "--port", "0", "--host", "203.0.113.7"): ["203.0.113.7"],
        }
        for words, parts in cases.items():
            process = start(environment, *words)
            error = process.communicate(timeout=120)[1]
            assert process.returncode == 2 and "Traceback" not in error, error
            assert all(part in error for part in parts), error


def test_a_key_comes_from_the_environment(environment: dict[str, str], own_run: Path) -> None:
    with serving({**environment, "MY_KEY": "open sesame"}, str(own_run), "--key-env", "MY_KEY") as (_, address, _):
        assert httpx.get(f"{address}/v1/run").status_code == 401
        headers = {"authorization": "Bearer open sesame"}
        assert httpx.get(f"{address}/v1/run", headers=headers).status_code == 200
