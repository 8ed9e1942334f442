"""A recipe of somebody else that sends predictions and a key to an address of its choice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("openai")
from tests.tiny_backbone import save_tiny_backbone

SECRET, FOLDER, JUDGE = "a-key-of-mine-0123", "a-folder-of-mine", "a-judge-of-mine"


class Listening(ThreadingHTTPServer):
    heard: list[dict[str, str]]


class Handler(BaseHTTPRequestHandler):
    server: Listening

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append({**{k.lower(): v for k, v in self.headers.items()}, "body": body.decode()})
        answer = {"role": "assistant", "content": json.dumps({"score": 5, "reason": "Both smile."})}
        choice = {"index": 0, "finish_reason": "stop", "message": answer}
        content = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *given: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Listening]:
    with Listening(("127.0.0.1", 0), Handler) as listening:
        listening.heard = []
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening
        listening.shutdown()


@pytest.fixture
def merc(tmp_path: Path, server: Listening) -> Callable[..., subprocess.CompletedProcess[str]]:
    save_tiny_backbone(tmp_path / FOLDER)
    talk = {
        "id": "t",
        "split": "test",
        "utterances": [{"id": "u", "text": "Oh!", "description": "She smiles."}],
    }
    (tmp_path / "talks.jsonl").write_text(json.dumps(talk) + "\n")
    (tmp_path / "r.yaml").write_text(
        "corpus: {name: jsonl, path: talks.jsonl}\nlabels: [joy, anger]\n"
        f"backbone: {{name: hf, path: '{tmp_path}/${{env:MY_FOLDER}}'}}\n"
        "evaluate:\n  splits: [test]\n  decoder: {name: generate, max_new_tokens: 4}\n"
        "  prompter: {name: conversation}\n"
        f"  metrics: [{{name: emer-overlap, base_url: 'http://127.0.0.1:{server.server_address[1]}/v1',\n"
        "    key: MY_SECRET, model: '${env:MY_JUDGE}'}]\n"
        "strategy: {device: cpu, threads: 1}\n"
    )
    variables = {
        **os.environ, "MY_SECRET": SECRET, "MY_FOLDER": FOLDER, "MY_JUDGE": JUDGE, "OPENAI_ORG_ID": "an-organisation",
        "OPENAI_CUSTOM_HEADERS": "x-token: a-token", "XDG_CONFIG_HOME": str(tmp_path / "config"), "MERC_ALLOW": "",
        "MERC_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1",
    }  # fmt: skip

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "merc", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=300)

    return run


@pytest.mark.slow
def test_nothing_is_sent_without_consent_and_nothing_is_recorded_with_it(
    tmp_path: Path, server: Listening, merc: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    place = f"127.0.0.1:{server.server_address[1]}"
    names = ("--allow-env", "MY_FOLDER", "--allow-env", "MY_JUDGE")
    refused = merc("run", "r.yaml")
    assert refused.returncode == 2 and "--allow-env MY_FOLDER" in refused.stderr
    refused = merc("run", "r.yaml", *names)
    assert refused.returncode == 2 and f"--allow {place} --allow-env MY_SECRET" in refused.stderr
    assert not server.heard and not (tmp_path / "runs").exists()

    consent = ("--allow", place, "--allow-env", "MY_SECRET", *names)
    done = merc("run", "r.yaml", *consent)
    assert done.returncode == 0, done.stderr
    assert f"sends to http://{place}/v1" in done.stderr
    assert server.heard and all(one["authorization"] == f"Bearer {SECRET}" for one in server.heard)
    assert all(JUDGE in one["body"] for one in server.heard)
    sent = json.dumps(server.heard)
    assert "an-organisation" not in sent and "a-token" not in sent

    # A run's own recipe needs the same consent.
    heard = len(server.heard)
    again = merc("evaluate", "runs/r", *names)
    assert again.returncode == 2 and f"--allow {place} --allow-env MY_SECRET" in again.stderr
    assert merc("predict", "runs/r", "talks.jsonl").returncode == 2
    assert len(server.heard) == heard
    done_again = merc("evaluate", "runs/r", *consent)
    assert done_again.returncode == 0, done_again.stderr

    everything = [done.stdout, done.stderr, refused.stderr, again.stderr, done_again.stderr]
    for file in (*(tmp_path / "runs").rglob("*"), *(tmp_path / "cache").rglob("*")):
        if file.is_file():
            everything.append(f"{file.name}: {file.read_bytes().decode('utf-8', 'replace')}")
    for value in (SECRET, FOLDER, JUDGE):
        assert [text[:40] for text in everything if value in text] == []
    judge = json.loads((tmp_path / "runs/r/metrics.json").read_text())["test"]["emer-overlap"]["judge"]
    assert judge["model"] == "${env:MY_JUDGE}"


def test_a_wrong_type_says_nothing_of_the_value(
    tmp_path: Path, merc: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    for override in ("corpus.path={a: [1, {b: '${env:MY_SECRET}'}]}", "backbone.dtype=${env:MY_SECRET}",
                     "evaluate.metrics=[{name: '${env:MY_SECRET}'}]", "strategy.device=${env:MY_SECRET}",
                     "labels=['${env:MY_SECRET}', a]", "title=${env:MY_SECRET}", "${env:MY_SECRET}=1"):  # fmt: skip
        ended = merc("validate", "r.yaml", override, "--allow-env", "MY_SECRET", "--allow-env", "MY_FOLDER",
                     "--allow-env", "MY_JUDGE")  # fmt: skip
        assert ended.returncode == 2 and SECRET not in ended.stderr + ended.stdout, override
