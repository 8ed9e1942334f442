"""``WS /v1/live`` over real WebSockets: what is spoken is answered, and nothing that a client does ends the server."""

from __future__ import annotations

import io
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from merc_serve.app import create_app
from merc_serve.command import listen
from merc_serve.limits import Limits
from merc_serve.messages import Final, Provisional, Ready
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import merc
from merc.testing.examples import transcriber
from tests.toys.loud import LiveLoud

RATE = 16_000
PIECE = 1600


def sound(*parts: float) -> np.ndarray:
    """Tones of so many seconds; a negative number is a silence."""
    return np.concatenate(
        [np.zeros(round(-s * RATE)) if s < 0 else 0.4 * np.sin(np.arange(round(s * RATE)) * 0.2) for s in parts]
    ).astype("float32")


def pieces(samples: np.ndarray) -> list[bytes]:
    """Sound as messages of a tenth of a second."""
    data = (samples * 32767).astype("<i2")
    return [b"\x01" + data[at : at + PIECE].tobytes() for at in range(0, len(data), PIECE)]


def picture(at: float) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (32, 24), (90, 60, 30)).save(data, "JPEG")
    return b"\x02" + struct.pack("<d", at) + data.getvalue()


class Server:
    """A server in a thread, and its address."""

    def __init__(self, session: merc.Session, port: int) -> None:
        self.session, self.port = session, port

    def open(self, query: str = "", **options: Any) -> connect:
        """A connection, as a context."""
        return connect(f"ws://127.0.0.1:{self.port}/v1/live{query}", open_timeout=60, proxy=None, **options)

    @contextmanager
    def start(self, **first: Any) -> Iterator[ClientConnection]:
        """A connection that is ready."""
        with self.open() as client:
            client.send(json.dumps(first))
            assert receive(client)["type"] == "ready"
            yield client

    def lives(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=60).json()["status"] == "ok"


def receive(client: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(client.recv(timeout=60))
    return message


def rest(client: ClientConnection) -> list[dict[str, Any]]:
    """What comes until the connection is closed."""
    messages = []
    try:
        while True:
            messages.append(receive(client))
    except ConnectionClosed:
        return messages


def refused(client: ClientConnection) -> tuple[str, int]:
    """The sentence that a connection ends with, and its code."""
    messages = rest(client)
    assert messages and messages[-1]["type"] == "error", messages
    assert client.protocol.close_code is not None
    return messages[-1]["error"], client.protocol.close_code


@contextmanager
def serving(
    session: merc.Session, limits: Limits | None = None, key: str | None = None, hears: merc.Listener | None = None
) -> Iterator[Server]:
    with listen("127.0.0.1", 0) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # so that a client that does not read is felt
        app = create_app({"run": session}, limits, key, ["127.0.0.1"])
        app.state.services["run"].listener = hears or merc.Listener(LiveLoud(), transcriber.Example())
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield Server(session, listening.getsockname()[1])
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def server(session: merc.Session) -> Iterator[Server]:
    with serving(session) as server:
        yield server


def test_what_is_spoken_is_answered(server: Server) -> None:
    samples = sound(-0.5, 0.8, -0.6, 1.2, -0.6)
    with server.open() as client:
        client.send(json.dumps({"run": "run", "rate": RATE, "speaker": "Ann", "video": True}))
        ready = Ready.model_validate(receive(client))
        assert ready.run == "run" and ready.labels == list(server.session.labels.labels)
        assert ready.streams == ["seen", "heard"]
        for number, piece in enumerate(pieces(samples)):
            if number % 2 == 0:
                client.send(picture(number / 10))
            client.send(piece)
        client.send('{"type": "end"}')
        messages = rest(client)
        assert client.protocol.close_code == 1000
    finals = [Final.model_validate(one) for one in messages if one["type"] == "final"]
    assert [(one.id, one.speaker, one.text, one.start, one.end) for one in finals] == [
        ("live_u0", "Ann", "la", 0.5, 1.3),
        ("live_u1", "Ann", "la", 1.9, 3.1),
    ]
    for one in messages:
        if one["type"] == "provisional":
            assert Provisional.model_validate(one).id in ("live_u0", "live_u1")
    assert messages[-1] == {"type": "end"} and messages[-2]["type"] == "note"
    assert not finals[1].missing and finals[1].context == 1 and finals[1].latency.pause is not None

    heard = np.frombuffer(b"".join(piece[1:] for piece in pieces(samples)), "<i2").astype(np.float32) / 32768
    frames = np.asarray(Image.open(io.BytesIO(picture(0)[9:])))
    live = server.session.live("live")
    for one in finals:
        first, last = round(one.start * RATE), round(one.end * RATE)
        times = np.array([n / 5 - one.start for n in range(20) if one.start <= n / 5 < one.end])
        clip = merc.VideoClip(frames=np.stack([frames] * len(times)), times=times)
        said = {"text": "la", "speaker": "Ann", "audio": merc.AudioClip(samples=heard[first:last], rate=RATE)}
        wanted = live.predict({**said, "video": clip, "start": one.start, "end": one.end})
        assert one.label == wanted.label and one.probabilities == pytest.approx(wanted.probabilities, abs=1e-5)


START = json.dumps({"rate": RATE})


@pytest.mark.parametrize(
    ("messages", "words", "code"),
    [
        ([b"\x01\x00\x00"], ["first message is a text"], 1008),
        (["hello"], ["no JSON", "first message"], 1008),
        (["[" * 100_000], ["no JSON"], 1008),
        (["[]"], ["first message"], 1008),
        (['{"run": "other"}'], ["no run 'other'", "run"], 1008),
        (['{"rate": 5}'], ["rate", "8000"], 1008),
        (['{"rate": "16000"}'], ["rate", "integer"], 1008),
        (['{"speed": 2}'], ["speed", "not permitted"], 1008),
        ([START, "more"], ["no JSON", '{"type": "end"}'], 1008),
        ([START, '{"type": "stop"}'], ["type", "'end'"], 1008),
        ([START, b""], ["byte 0", "1 is sound"], 1008),
        ([START, b"RIFF" + b"\x00" * 100], ["byte 82"], 1008),
        ([START, b"\x01\x00"], ["half a sample"], 1008),
        ([START, picture(0.0)], ['"video": true'], 1008),
        (['{"video": true}', b"\x02\x00"], ["no JPEG"], 1008),
        (['{"video": true}', b"\x02" + b"\x00" * 8 + b"GIF89a"], ["no JPEG"], 1008),
        (['{"video": true}', picture(3.0), picture(1.0)], ["in order"], 1008),
        (['{"video": true}', picture(float("nan"))], ["in order"], 1008),
        ([START, b"\x01" + b"\x00" * 2**20], ["1048577 bytes", "1048576"], 1009),
    ],
)
def test_what_is_no_conversation(server: Server, messages: list[str | bytes], words: list[str], code: int) -> None:
    with server.open() as client:
        for message in messages:
            client.send(message)
        sentence, closed = refused(client)
    assert all(word in sentence for word in words) and closed == code, (sentence, closed)
    assert "\n" not in sentence and server.lives()


def test_noise_is_sound_too(server: Server) -> None:
    draw = np.random.default_rng(0)
    with server.start(rate=RATE) as client:
        for _ in range(30):
            client.send(b"\x01" + draw.bytes(2 * PIECE))
        client.send('{"type": "end"}')
        messages = rest(client)
    assert messages[-1] == {"type": "end"} and any(one["type"] == "final" for one in messages)


def test_who_stops_in_the_middle_costs_nothing_more(session: merc.Session) -> None:
    with serving(session, Limits(live=2)) as server:
        for _ in range(5):
            with server.start(rate=RATE) as client:
                client.send(pieces(sound(0.5))[0])
                client.socket.shutdown(socket.SHUT_RDWR)  # without a word
        with server.start() as one, server.start() as other:
            assert server.lives()
            for client in (one, other):
                client.send('{"type": "end"}')
                assert rest(client)[-1] == {"type": "end"}


def test_a_thousand_connections(session: merc.Session) -> None:
    with serving(session, Limits(live=3)) as server, ExitStack() as stack:
        held = [stack.enter_context(server.start()) for _ in range(3)]

        def one(number: int) -> tuple[str, int]:
            with server.open() as client:
                return refused(client)

        with ThreadPoolExecutor(32) as pool:
            answers = set(pool.map(one, range(1000)))
        assert answers == {("3 conversations are answered already; try again later", 1013)}
        assert server.lives()
        for client in held:
            client.send('{"type": "end"}')
            assert rest(client)[-1] == {"type": "end"}
        with server.start():
            pass


def test_who_sends_nothing_is_let_go(session: merc.Session) -> None:
    with serving(session, Limits(live_seconds=0.3)) as server, server.start() as client:
        assert refused(client) == ("nothing came for 0.3 s, so this conversation is over", 1008)


def test_who_reads_nothing_holds_nothing(session: merc.Session) -> None:
    """What it is told fills all that can be filled between the server and it, and its place is free again."""

    class Talkative(transcriber.Example):
        def load(self, device: str) -> merc.TranscribeFunction:
            return lambda clips: [merc.Missing("nothing but noise, " * 10_000) for _ in clips]

    hears = merc.Listener(LiveLoud(), Talkative())
    with (
        serving(session, Limits(live=1, live_seconds=1.0), hears=hears) as server,
        socket.create_connection(("127.0.0.1", server.port)) as raw,
    ):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(5)
        raw.sendall(
            b"GET /v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        while b"\r\n\r\n" not in raw.recv(4096):
            pass

        def send(payload: bytes, kind: int) -> None:
            raw.sendall(struct.pack("!BBH", 0x80 | kind, 0x80 | 126, len(payload)) + b"\0\0\0\0" + payload)

        with suppress(OSError):  # the server may have closed it
            send(START.encode(), 1)
            for piece in pieces(sound(*[0.2, -0.5] * 8)):
                send(piece, 2)
        until, free = time.monotonic() + 120, False
        while not free and time.monotonic() < until:
            with server.open() as client:
                with suppress(ConnectionClosed):
                    client.send(START)
                free = receive(client)["type"] == "ready"
        assert free and server.lives()


def test_a_fault_is_told_without_its_details(session: merc.Session) -> None:
    class Broken(transcriber.Example):
        def load(self, device: str) -> merc.TranscribeFunction:
            def transcribe(clips: Any) -> Any:
                raise RuntimeError("secret detail")

            return transcribe

    with serving(session, hears=merc.Listener(LiveLoud(), Broken())) as server:
        with server.start() as client:
            for piece in pieces(sound(0.5, -0.6)):
                client.send(piece)
            assert refused(client) == ("a fault of the server; its log says more", 1011)
        assert server.lives()


def test_without_what_hears_it_is_said(session: merc.Session, serve: Any) -> None:
    with serve(session) as http:
        address = f"ws://127.0.0.1:{http.base_url.port}"
        with connect(f"{address}/v1/live", proxy=None) as client:
            client.send(START)
            sentence, code = refused(client)
        assert "install merc-speech" in sentence and code == 1008
        with pytest.raises(InvalidStatus), connect(f"{address}/v1/nothing", proxy=None):
            pass
        assert http.get("/health").status_code == 200


def test_who_may_speak(session: merc.Session) -> None:
    with serving(session, key="open sesame") as server:
        for query in ("", "?key=other"):
            with pytest.raises(InvalidStatus):
                server.open(query)
        for options in (
            {"query": "?key=open%20sesame"},
            {"additional_headers": {"authorization": "Bearer open sesame"}},
        ):
            with server.open(**options) as client:  # type: ignore[arg-type]
                client.send(START)
                assert receive(client)["type"] == "ready"
        with pytest.raises(InvalidStatus):
            server.open("?key=open%20sesame", origin="http://other.example")
