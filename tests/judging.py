"""A judge on this machine, asked over real HTTP: it answers as each test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Judge(ThreadingHTTPServer):
    """Answers chat completions with what ``plan`` gives: a text, or a status."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: Callable[[str], str | int] = by_length
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Judge

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(asked)
            self.server.keys.append(self.headers["Authorization"])
        given = self.server.plan(asked["messages"][0]["content"])
        body: dict[str, Any] = {"error": {"message": "no"}}
        if isinstance(given, str):
            message = {"role": "assistant", "content": given}
            body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
            body["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
        content = json.dumps(body).encode()
        self.send_response(200 if isinstance(given, str) else given)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


def by_length(prompt: str) -> str:
    """A score that depends on what is compared and on what was predicted."""
    predicted = json.loads(prompt[prompt.index("\n\n{") :])["predicted"]
    half = 0.5 if "the clues to the emotion" in prompt else 0.0
    return json.dumps({"score": len(predicted) % 10 + half, "reason": "By its  length."})
