"""``WS /v1/live``: a conversation is answered while it is spoken into a browser."""

from __future__ import annotations

import asyncio
import json
import logging
import struct
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from merc_live import Engine, Event
from pydantic import TypeAdapter, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

import merc
from merc_serve.limits import Limits
from merc_serve.messages import PICTURE, SOUND, ServerMessage, Start, Stop

if TYPE_CHECKING:
    from merc_serve.app import Service

LOG = logging.getLogger("merc.serve")

NORMAL, REFUSED, TOO_LARGE, FAULT, BUSY = 1000, 1008, 1009, 1011, 1013
"""Codes that connections are closed with, as RFC 6455 and its registry have them."""

_FAULT = "a fault of the server; its log says more"
_HEADER = 8
_EVENTS: TypeAdapter[Any] = TypeAdapter(ServerMessage)
_MOST_EVENTS = 512


class Refused(Exception):
    """What a client is told before its connection is closed."""

    def __init__(self, sentence: str, code: int = REFUSED) -> None:
        super().__init__(sentence)
        self.code = code


class LiveService:
    """Conversations that are spoken to the server now, at most ``limits.live`` at once."""

    def __init__(self, services: Mapping[str, Service], limits: Limits) -> None:
        self.services, self.limits = services, limits
        self.open = 0
        # A conversation whose sound waits holds a thread, so these threads are no one else's.
        self._threads = ThreadPoolExecutor(limits.live, thread_name_prefix="merc-serve-live")

    async def serve(self, socket: WebSocket) -> None:
        """One connection, from its first message to its close."""
        await socket.accept()
        if self.open >= self.limits.live:
            await _close(socket, f"{self.open} conversations are answered already; try again later", BUSY)
            return
        self.open += 1
        try:
            await _Connection(socket, self).run()
        except (WebSocketDisconnect, ConnectionError):
            pass
        finally:
            self.open -= 1

    def stop(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def in_thread(self, work: Any, *arguments: Any) -> Any:
        """Do what may take a while in a thread of these conversations."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


class _Connection:
    def __init__(self, socket: WebSocket, service: LiveService) -> None:
        self.socket, self.service, self.limits = socket, service, service.limits
        self.outbox = _Outbox(socket, self.limits.live_seconds)
        self.engine: Engine | None = None
        self.video = False

    async def run(self) -> None:
        sending = asyncio.create_task(self.outbox.send())
        receiving = asyncio.create_task(self._receive())
        try:
            # A client that reads nothing ends the one, whatever it sends.
            await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                await self._finish(receiving, sending)
            else:
                await _close(self.socket, "", REFUSED)
        finally:
            for task in (receiving, sending):
                task.cancel()
            await asyncio.gather(receiving, sending, return_exceptions=True)
            if self.engine is not None:
                await asyncio.to_thread(self.engine.stop)

    async def _finish(self, receiving: asyncio.Task[None], sending: asyncio.Task[None]) -> None:
        sentence, code = "", NORMAL
        try:
            receiving.result()
        except Refused as refused:
            sentence, code = str(refused), refused.code
        except merc.MercError as error:
            sentence, code = str(error), REFUSED
        except WebSocketDisconnect:
            return
        except Exception:  # a fault of merc or of a plugin: the client is told, and the server lives on
            LOG.exception("a live conversation failed")
            sentence, code = _FAULT, FAULT
        self.outbox.close()
        await sending
        await _close(self.socket, sentence, code)

    async def _receive(self) -> None:
        engine, run = await self._begin()
        await self.service.in_thread(engine.load)
        engine.ready(run)
        while True:
            message = await self._next()
            if message is None:
                break
            if isinstance(message, str):
                _checked(Stop, message, 'after the first one a text is {"type": "end"}')
                break
            if not await self._take(engine, message):
                break
        await self.service.in_thread(engine.end)
        if engine.fault is not None:
            raise engine.fault
        if self.outbox.failure:
            raise Refused(self.outbox.failure)

    async def _begin(self) -> tuple[Engine, str]:
        first = await self._next()
        if not isinstance(first, str):
            raise Refused('the first message is a text, such as {"rate": 16000}')
        start = _checked(Start, first, 'the first message is {"run": NAME, "rate": 16000, "speaker": "Ann"}')
        services = self.service.services
        if start.run is not None and start.run not in services:
            raise Refused(f"there is no run {start.run!r}; there are: {', '.join(services)}")
        service = services[start.run] if start.run is not None else next(iter(services.values()))
        loop, self.video = asyncio.get_running_loop(), start.video

        def say(event: Event) -> None:
            loop.call_soon_threadsafe(self.outbox.put, event)

        def make() -> Engine:
            return Engine(service.session, say, listener=service.listener, rate=start.rate, speaker=start.speaker)

        self.engine = await self.service.in_thread(make)
        return self.engine, service.name

    async def _next(self) -> str | bytes | None:
        """The next message of the client; None where the engine failed before one came."""
        receiving = asyncio.ensure_future(self.socket.receive())
        failing = asyncio.ensure_future(self.outbox.failed.wait())
        try:
            await asyncio.wait(
                (receiving, failing), timeout=self.limits.live_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if failing.done():
                return None
            if not receiving.done():
                raise Refused(f"nothing came for {self.limits.live_seconds:g} s, so this conversation is over")
            message = receiving.result()
        finally:
            receiving.cancel()
            failing.cancel()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", NORMAL))
        content: str | bytes | None = message.get("text")
        content = message.get("bytes") if content is None else content
        if content is None or len(content) > self.limits.live_message:
            raise Refused(
                f"a message has {len(content or b'')} bytes; send at most {self.limits.live_message}", TOO_LARGE
            )
        return content

    async def _take(self, engine: Engine, message: bytes) -> bool:
        """Sound or a picture; False where nothing more is answered."""
        kind = message[0] if message else 0
        if kind == SOUND:
            if len(message) % 2 == 0:
                raise Refused("sound is the byte 1, then samples of 16 bits; half a sample came")
            samples = np.frombuffer(message, "<i2", offset=1).astype(np.float32) / 32768
            return bool(await self.service.in_thread(engine.sound, samples))
        if kind != PICTURE:
            raise Refused(f"a message begins with the byte {kind}; {SOUND} is sound, and {PICTURE} a picture")
        if not self.video:
            raise Refused('a picture came, and the first message has no "video": true')
        if len(message) <= 1 + _HEADER:
            raise Refused("a picture is the byte 2, 8 bytes with its second, and a JPEG; there is no JPEG")
        (at,) = struct.unpack_from("<d", message, 1)
        await self.service.in_thread(engine.picture, at, message[1 + _HEADER :])
        return True


class _Outbox:
    """What is to be sent. Where the client does not read, provisional answers give way, and at last it is given up."""

    def __init__(self, socket: WebSocket, seconds: float) -> None:
        self.socket, self.seconds = socket, seconds
        self.failure = ""
        self.failed = asyncio.Event()
        self._events: deque[Event] = deque()
        self._there = asyncio.Event()
        self._closed = False

    def put(self, event: Event) -> None:
        """An event to send, in the loop's thread."""
        if event["type"] == "error":  # it comes last, with the close
            self.failure = str(event["error"])
            self.failed.set()
            return
        if len(self._events) >= _MOST_EVENTS:
            self._events = deque(one for one in self._events if one["type"] != "provisional")
        self._events.append(event)
        if len(self._events) > 2 * _MOST_EVENTS:
            self._closed = True
        self._there.set()

    def close(self) -> None:
        """Nothing more comes."""
        self._closed = True
        self._there.set()

    async def send(self) -> None:
        """Send until nothing more comes. It ends early where the client takes nothing for too long."""
        while True:
            while self._events:
                event = _EVENTS.validate_python(self._events.popleft())
                text = event.model_dump_json(exclude_unset=True)
                try:
                    await asyncio.wait_for(self.socket.send_text(text), self.seconds)
                except (TimeoutError, RuntimeError, WebSocketDisconnect):
                    LOG.info("a live client does not read, so its connection is closed")
                    return
            if self._closed:
                return
            self._there.clear()
            await self._there.wait()


def _checked(model: type[Any], text: str, expected: str) -> Any:
    """A client's text as a model. Raises Refused for another."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(f"a text message is no JSON; {expected}") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Refused(f"{where or 'the message'}: {first['msg']}; {expected}") from None


async def _close(socket: WebSocket, sentence: str, code: int) -> None:
    if socket.application_state is not WebSocketState.CONNECTED:
        return
    try:
        if sentence:
            await asyncio.wait_for(socket.send_text(json.dumps({"type": "error", "error": sentence})), 5)
        await asyncio.wait_for(socket.close(code), 5)
    except (TimeoutError, RuntimeError, WebSocketDisconnect):
        pass
