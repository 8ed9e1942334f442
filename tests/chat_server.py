"""A server on this machine that speaks chat completions over real HTTP and answers as each test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD = json.dumps({"face": "She smiles.", "body": "She waves.", "posture": "She sits upright."})


@dataclass
class Reply:
    """What the server does with a request: answer ``text``, or a status, late, or break off after half of it."""

    text: str | None = GOOD
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    dies: bool = False
    body: bytes | None = None
    finish: str = "stop"


class ChatServer(ThreadingHTTPServer):
    """Answers chat completions; ``plan`` says how, from the number of the request and what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: Callable[[int, dict[str, Any]], Reply] = lambda number, asked: Reply()
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that have gone are no news."""


class Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_POST(self) -> None:
        server = self.server
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            number = len(server.asked)
            server.asked.append(asked)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            assert self.path == "/v1/chat/completions"
            self.reply(server.plan(number, asked))
        finally:
            with server.lock:
                server.at_once -= 1

    def reply(self, reply: Reply) -> None:
        time.sleep(reply.wait)
        message = {"role": "assistant", "content": reply.text}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        body["choices"] = [{"index": 0, "finish_reason": reply.finish, "message": message}]
        if reply.status != 200:
            body = {"error": {"message": reply.text or "no"}}
        content = reply.body if reply.body is not None else json.dumps(body).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if reply.dies else content)
        if reply.dies:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass
