"""A server of the page that answers from a script: what it says of a live talk is known, and so is what it was sent."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import uvicorn
from merc_serve.command import listen
from merc_serve.guards import Key, SafeHeaders, SameOrigin
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

LABELS = ("joy", "anger", "sadness", "neutral")
TURN = 6  # messages of sound
RUN: dict[str, Any] = {
    "description": "", "labels": LABELS, "needs_text": True, "hears": True, "sees": True, "note": "",
    "metrics": {"test": {"weighted_f1": 0.613}}, "merc": "0", "limits": {"megabytes": 8.0, "utterances": 512},
}  # fmt: skip


def shares(label: str, most: float = 0.7, labels: Sequence[str] = LABELS) -> dict[str, float]:
    return {one: most if one == label else round((1 - most) / (len(labels) - 1), 3) for one in labels}


def timed(number: int) -> dict[str, Any]:
    """What is predicted of an utterance of half a second."""
    label = LABELS[number % 3]
    return {
        "id": f"u{number}",
        "conversation": "talk",
        "speaker": "Ann" if number % 2 else "<b>Bo</b>",
        "text": f"=1+1, sentence {number}",
        "start": 0.5 * number,
        "end": 0.5 * number + 0.4,
        "label": label,
        "probabilities": shares(label),
        "missing": {"face": "no face <i>found</i>"} if number == 1 else {},
    }


@dataclass
class Talk:
    """What a page sent of a live talk."""

    hello: dict[str, Any]
    sound: list[bytes] = field(default_factory=list)
    pictures: list[tuple[float, bytes]] = field(default_factory=list)
    ended: bool = False

    @property
    def samples(self) -> npt.NDArray[np.float32]:
        return np.frombuffer(b"".join(self.sound), "<i2").astype(np.float32) / 32767


class Script:
    """Takes each 0.6 s of sound for an utterance: two provisional labels, and a final one at its end.

    ``answers``: what it says once a talk has begun, in place of being ready; None: no talk is taken up. ``closes``:
    after how many messages of sound it goes away without a word. ``settling``: whether it comes to final labels.
    ``dropping``: the number of an utterance that comes to nothing, once it may settle, after which nothing is said.
    """

    def __init__(self, runs: dict[str, dict[str, Any]] | None = None, key: str | None = None) -> None:
        self.runs = runs or {"first": {**RUN, "title": "Words & <b>faces</b>", "streams": ["face", "voice"]}}
        self.talks: list[Talk] = []
        self.answers: list[dict[str, Any]] | None = []
        self.closes = 10**9
        self.settling = threading.Event()
        self.settling.set()
        self.dropping: int | None = None
        routes: list[Any] = [
            Route("/v1/runs", lambda request: JSONResponse({"runs": list(self.runs)})),
            Route("/v1/run", lambda request: JSONResponse(self.described(request.query_params["run"]))),
            Route(
                "/v1/predict",
                lambda request: JSONResponse({"predictions": list(map(timed, range(6)))}),
                methods=["POST"],
            ),
            WebSocketRoute("/v1/live", self.live),
            Mount("/", StaticFiles(directory=str(files("merc_serve") / "page"), html=True)),
        ]
        self.app: Any = SafeHeaders(SameOrigin(Key(Starlette(routes=routes), key)))

    def described(self, name: str) -> dict[str, Any]:
        return {"run": name, **self.runs[name]}

    async def live(self, socket: WebSocket) -> None:
        with suppress(WebSocketDisconnect):  # a page that is closed
            await self.talk(socket)

    async def talk(self, socket: WebSocket) -> None:
        if self.answers is None:
            await socket.close()
            return
        await socket.accept()
        talk = Talk(json.loads(await socket.receive_text()))
        self.talks.append(talk)
        for answer in self.answers or [
            {"type": "ready", "run": talk.hello["run"], "labels": LABELS, "streams": ["face"]}
        ]:
            await socket.send_json(answer)
        while not talk.ended and len(talk.sound) < self.closes:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text"):
                assert json.loads(message["text"]) == {"type": "end"}
                talk.ended = True
            elif message["bytes"][0] == 1:
                talk.sound.append(message["bytes"][1:])
                await self.hear(socket, talk)
            else:
                talk.pictures.append((struct.unpack("<d", message["bytes"][1:9])[0], message["bytes"][9:]))
        if talk.ended:
            await socket.send_json({"type": "end"})
        await socket.close()

    async def hear(self, socket: WebSocket, talk: Talk) -> None:
        number, part = divmod(len(talk.sound) - 1, TURN)
        if part not in (1, 3, 5) or (self.dropping is not None and number > self.dropping):
            return
        label = LABELS[number % 3]
        said: dict[str, Any] = {
            "id": f"u{number}",
            "start": 0.6 * number,
            "end": 0.6 * number + 0.1 * part,
            "speaker": talk.hello.get("speaker"),
            "label": label,
            "probabilities": shares(label, 0.35 + 0.1 * part),
            "missing": {} if talk.hello["video"] else {"face": "no <i>picture</i> came"},
            "latency": {"total": 0.9},
        }
        final = part == 5
        while final and number == (number if self.dropping is None else self.dropping) and not self.settling.is_set():
            await asyncio.sleep(0.02)
        if final and number == self.dropping:
            await socket.send_json({"type": "dropped", "id": said["id"]})
            return
        text = f"<b>Sentence</b> number {number}." if final else ""
        await socket.send_json({"type": "final" if final else "provisional", "text": text, **said})


@contextmanager
def serving(script: Script) -> Iterator[str]:
    """The address of a server that follows a script."""
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(script.app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(30)
