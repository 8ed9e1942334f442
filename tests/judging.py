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

    def respond(self, asked: dict[str, Any]) -> str | int | dict[str, Any]:
        """What a request gets: a text, a status, or what the response has beside a text."""
        return self.plan(asked["messages"][0]["content"])


class Handler(BaseHTTPRequestHandler):
    server: Judge

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(asked)
            self.server.keys.append(self.headers["Authorization"])
        response = self.server.respond(asked)
        body: dict[str, Any] = {"error": {"message": "no"}}
        if not isinstance(response, int):
            beside = {"text": response} if isinstance(response, str) else dict(response)
            message = {"role": "assistant", "content": beside.pop("text")}
            choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": beside.pop("logprobs", None)}
            body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], **beside}
        content = json.dumps(body).encode()
        self.send_response(response if isinstance(response, int) else 200)
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
