"""A run that was made by hand, and a model hub on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

RECIPE = """\
title: Words of a few talks
corpus: {name: jsonl, path: /home/ann/talk.jsonl}
backbone: {name: hf, path: someone/tiny-llama, tuning: {name: lora, r: 2}}
labels: [joy, anger]
seed: 3
stages: [{id: words, prompter: {name: conversation}, trainer: {name: sft}}]
features: {store: /home/ann/features}
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A trained run as it lies on the disk."""
    run = tmp_path / "mine"
    adapter = run / "stages" / "words" / "adapter"
    adapter.mkdir(parents=True)
    (run / "recipe.yaml").write_text(RECIPE)
    (run / "labels.json").write_text('{"joy": ["joy"], "anger": ["anger"]}')
    (run / "log.jsonl").write_text('{"event": "note", "text": "We met in Rome."}\n')
    (run / "metrics.json").write_text(json.dumps({"test": {"n": 8, "weighted_f1": 0.75, "accuracy": 0.75}}))
    record = {"merc": "0.1.0", "command": "merc run /home/ann/mine.yaml", "machine": {"cores": 3}, "seed": 3}
    (run / "provenance.json").write_text(json.dumps(record))
    weights = adapter / "adapter_model.safetensors"
    save_file({"lora_A": np.arange(40_000, dtype="float32")}, weights)
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "/home/ann/tiny", "peft_type": "LORA"}')
    files = {"adapter/adapter_model.safetensors": hashlib.sha256(weights.read_bytes()).hexdigest()}
    (run / "stages" / "words" / "done.json").write_text(json.dumps({"steps": 1, "files": files}))
    lines = [
        {
            "id": f"u{n}",
            "conversation": f"c{n // 2}",
            "split": "test",
            "truth": "joy",
            "label": ("joy", "anger")[n % 4 == 3],
        }
        for n in range(8)
    ]
    (run / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


@dataclass
class Hub:
    """The part of the model hub's API that pushing and pulling use, over real HTTP."""

    address: str = ""
    token: str = "right"
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    objects: dict[str, bytes] = field(default_factory=dict)
    broken: bool = False

    @staticmethod
    def revision(files: dict[str, bytes]) -> str:
        return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._read(head=True)

    def do_GET(self) -> None:
        self._read(head=False)

    def do_PUT(self) -> None:
        self.hub.objects[self.path.rpartition("/")[2]] = self._body()
        self._say(200, b"")

    def do_POST(self) -> None:
        body = self._body()
        if self.hub.broken:
            return self._json(500, {"error": "the disk of the hub is full"})
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._json(403, {"error": "you may not write here"})
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:3] == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.hub.repositories.setdefault(name, {})
            if asked.get("visibility") == "private" or asked.get("private"):
                self.hub.private.add(name)
            return self._json(200, {"url": f"{self.hub.address}/{name}"})
        if parts[:2] == ["api", "validate-yaml"]:
            return self._json(200, {"errors": [], "warnings": []})
        if parts[-1] == "batch":
            actions = [
                {**one, "actions": {"upload": {"href": f"{self.hub.address}/objects/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            return self._json(200, {"transfer": "basic", "objects": actions})
        name = "/".join(parts[2:4])
        if parts[4] == "preupload":
            said = [
                {"path": one["path"], "uploadMode": _mode(one["path"]), "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            return self._json(200, {"files": said})
        assert parts[4] == "commit"
        files = self.hub.repositories[name]
        for line in map(json.loads, body.decode().splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
        revision = self.hub.revision(files)
        return self._json(200, {"commitUrl": f"{self.hub.address}/{name}/commit/{revision}", "commitOid": revision})

    def _read(self, head: bool) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        files = self.hub.repositories.get(name)
        may = name not in self.hub.private or self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if files is None or not may:
            return self._json(401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        revision = self.hub.revision(files)
        if parts[0] == "api":
            if parts[-1] not in ("main", revision, parts[3]):
                return self._json(404, {"error": "no such revision"}, {"X-Error-Code": "RevisionNotFound"})
            siblings = [{"rfilename": file} for file in sorted(files)]
            return self._json(200, {"id": name, "sha": revision, "siblings": siblings, "tags": [], "private": False})
        content = files["/".join(parts[4:])]
        headers = {"X-Repo-Commit": revision, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        self._say(200, content, headers, head)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._say(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _say(self, status: int, content: bytes, headers: dict[str, str] | None = None, head: bool = False) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not head and self.command != "HEAD":
            self.wfile.write(content)


def _mode(path: str) -> str:
    return "lfs" if path.endswith(".safetensors") else "regular"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that knows one token, which is in the environment."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()
