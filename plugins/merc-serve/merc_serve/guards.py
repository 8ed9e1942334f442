"""What is looked at of a request before it is read: its size, its key, and where it comes from."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = "default-src 'self'; media-src 'self' blob:; img-src 'self' blob: data:; frame-ancestors 'none'"
_API_PAGE = ("/docs", "/static-offline-docs")


class TooLarge(Exception):
    """A body is larger than may be."""


class BodyLimit:
    """Ends a request whose body is larger than ``most`` bytes, whatever its header announces."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > self.most:
            await self._refuse(scope, receive, send)
            return
        size, began = 0, False

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.most:
                raise TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self.app(scope, counted, watched)
        except TooLarge:
            if not began:
                await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = (
            f"the body is larger than {self.most / 2**20:g} MiB; send shorter clips, or start the server with a larger "
            "--max-megabytes"
        )
        await JSONResponse({"error": text}, 413, {"connection": "close"})(scope, receive, send)


class Key:
    """Lets only requests with the key reach what lies under ``/v1``: in ``Authorization: Bearer KEY``, or, for a
    WebSocket, in the query as ``key``. Without a key all are let through."""

    def __init__(self, app: ASGIApp, key: str | None) -> None:
        self.app, self.key = app, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if self.key is None or scope["type"] not in ("http", "websocket") or not scope["path"].startswith("/v1"):
            await self.app(scope, receive, send)
            return
        kind, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        if scope["type"] == "websocket" and not key:  # whose headers a browser's page cannot set
            kind, key = "bearer", QueryParams(scope["query_string"]).get("key", "")
        if kind.lower() == "bearer" and hmac.compare_digest(key.encode(), self.key.encode()):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "a key is wanted"})
        else:
            text = "this server wants a key: send it as the header Authorization: Bearer KEY"
            await JSONResponse({"error": text}, 401, {"www-authenticate": "Bearer"})(scope, receive, send)


class SameOrigin:
    """Refuses what a page of another site sends from the user's own browser: it could reach a server on this machine
    that no one else reaches."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            origin, host = headers.get("origin"), headers.get("host", "")
            if origin is not None and urlsplit(origin).netloc != host:
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 1008, "reason": "another site's page"})
                else:
                    await JSONResponse({"error": f"pages of {origin} may not use this server"}, 403)(
                        scope, receive, send
                    )
                return
        await self.app(scope, receive, send)


class SafeHeaders:
    """Tells browsers to load nothing from elsewhere for the page, and to take no answer for what it is not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-content-type-options"] = "nosniff"
                if not scope["path"].startswith(_API_PAGE):  # which has a script in the page itself
                    headers["content-security-policy"] = _POLICY
            await send(message)

        await self.app(scope, receive, with_headers)
