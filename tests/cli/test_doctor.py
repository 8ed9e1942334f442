"""``merc doctor``: what it finds here, and what it says where something is broken."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from merc.cli.main import app
from merc.media import isolation
from merc.registry.hooks import KINDS
from tests.registry.conftest import merc, site

__all__ = ["merc", "site"]

Run = Callable[..., subprocess.CompletedProcess[str]]


def found(*words: str, code: int = 0) -> dict[str, dict[str, Any]]:
    ended = CliRunner().invoke(app, ["doctor", "--json", *words])
    assert ended.exit_code == code, ended.output
    start, end = ended.stdout.index("["), ended.stdout.rindex("]")
    return {one["about"]: one for one in json.loads(ended.stdout[start : end + 1])}


def test_everything_works_here() -> None:
    findings = found()
    for about in ("merc", "Python", "torch", "media", "plugins", "cache", "this folder", "machine"):
        assert findings[about]["state"] == "ok", findings[about]
    assert "was written and decoded" in findings["media"]["says"] and "hub" not in findings


@pytest.mark.parametrize(
    ("instructions", "says"),
    [
        (True, "has instructions for bfloat16"),
        (False, "has no instructions for bfloat16: a backbone and a precision of bfloat16 are computed in float32"),
    ],
)
def test_whether_the_cpu_computes_bfloat16(instructions: bool, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("merc.model.precision.computes_bfloat16", lambda device: instructions)
    assert found()["CPU"]["says"] == says


def test_a_plugin_that_is_broken_makes_it_end_with_1(merc: Run) -> None:
    ended = merc("importfails", "doctor")
    lines = ended.stdout.splitlines()
    broken = [line for line in lines if line.startswith("broken")]
    assert ended.returncode == 1 and any("a_module_that_is_not_there" in line for line in broken)
    assert f"{len(broken)} of {len(lines)} things are broken" in ended.stderr


def test_media_that_cannot_be_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: Any, **named: Any) -> None:
        raise OSError("libavcodec.so: cannot open shared object file")

    monkeypatch.setattr(isolation.Decoders, "decode", fails)
    assert "libavcodec.so" in found(code=1)["media"]["says"]


def test_a_cache_that_cannot_be_written_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "file"))
    cache = found(code=1)["cache"]
    assert cache["state"] == "broken" and "MERC_CACHE" in cache["says"]


@pytest.fixture
def hub() -> Iterator[str]:
    class Answers(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *given: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_hub_is_asked_only_where_one_says_so(monkeypatch: pytest.MonkeyPatch, hub: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    answers = found("--hub")["hub"]
    assert answers["state"] == "ok" and hub in answers["says"] and "hf_secret" not in answers["says"]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    gone = found("--hub")["hub"]
    assert gone["state"] == "note" and "cannot be reached" in gone["says"] and "path=FOLDER" in gone["says"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE" in found("--hub")["hub"]["says"]


def test_the_help_of_plugins_new_names_every_kind() -> None:
    shown = " ".join(CliRunner().invoke(app, ["plugins", "new", "--help"]).stdout.replace("│", " ").split())
    assert [kind for kind in KINDS if kind not in shown] == []
