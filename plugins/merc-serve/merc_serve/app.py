"""The HTTP API of a run in memory, and the page that uses it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

import merc
from merc_serve.batching import Batcher, Full, Stopped
from merc_serve.ears import Ears
from merc_serve.guards import BodyLimit, Key, SafeHeaders, SameOrigin
from merc_serve.limits import Limits
from merc_serve.live import REFUSED, LiveService
from merc_serve.reading import read_requests
from merc_serve.schema import PREDICT, RESPONSES, TRANSCRIBE
from merc_serve.uploads import Uploads

LOG = logging.getLogger("merc.serve")
Result = TypeVar("Result")
_FILES = 64
_FAULT = "a fault of the server; its log says more"


def create_app(
    sessions: Mapping[str, merc.Session],
    limits: Limits | None = None,
    key: str | None = None,
    hosts: list[str] | None = None,
) -> FastAPI:
    """A web application that answers with runs.

    Args:
        sessions: The runs in memory, by the name that a request gives in ``?run=``. The first is the one that answers
            where none is named.
        limits: What a request may cost.
        key: What clients must send in ``Authorization: Bearer``; None asks for none.
        hosts: The names under which the server may be called (``Host`` of a request); None allows all.
    """
    limits = limits or Limits()
    services = {name: Service(name, session, limits) for name, session in sessions.items()}
    live = LiveService(services, limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        live.stop()
        for service in services.values():
            await asyncio.to_thread(service.stop)

    app = FastAPIOffline(title="merc", version=merc.__version__, lifespan=lifespan, redoc_url=None)
    app.state.services, app.state.live = services, live
    # The last that is added sees a request first.
    app.add_middleware(Key, key=key)
    app.add_middleware(BodyLimit, most=limits.body)
    app.add_middleware(SameOrigin)
    app.add_middleware(SafeHeaders)
    if hosts is not None:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    _add_routes(app, services)
    app.add_api_websocket_route("/v1/live", live.serve)
    app.add_api_websocket_route("/{path:path}", _nothing)
    _add_errors(app)
    app.mount("/", StaticFiles(directory=str(files("merc_serve") / "page"), html=True), name="page")
    return app


class Service:
    """What answers for one run."""

    def __init__(self, name: str, session: merc.Session, limits: Limits) -> None:
        self.name, self.session, self.limits = name, session, limits
        self.batcher = Batcher(session, limits)
        # Recordings take as long as they are heard, and what comes with its words does not wait for them.
        self.recordings = Batcher(session, replace(limits, together=1), threads=1)
        self.listener = _listener(session)
        self.ears = Ears(limits.queue)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self.batcher.waiting + self.recordings.waiting + self.ears.waiting

    def stop(self) -> None:
        """Answer what waits, and take nothing more."""
        for one in (self.ears, self.recordings, self.batcher):
            one.stop()

    async def predict(self, request: Request) -> Response:
        """What ``POST /v1/predict`` gives."""
        with Uploads() as uploads:
            body = await self._body(request, uploads)
            try:
                requests = await asyncio.to_thread(read_requests, body, uploads, self.limits.utterances)
                predictions = await self._answers(requests)
            except merc.MercError as error:
                raise HTTPException(422, self._without_paths(str(error), uploads)) from None
            records = [self.session.record(one) for one in predictions]
            return self._answer({"predictions": records}, uploads)

    async def transcribe(self, request: Request) -> Response:
        """What ``POST /v1/transcribe`` gives."""
        if self.listener is None:
            raise HTTPException(501, "nothing is installed that hears recordings; install merc-speech on the server")
        with Uploads() as uploads:
            body = await self._body(request, uploads)
            if len(uploads.files) != 1 or not isinstance(body, dict) or body.keys() - {"video", "audio"}:
                raise HTTPException(422, "send a recording as the one file of a form, and nothing else")
            try:
                (path,) = uploads.files.values()
                heard, notes = await self._in_time(lambda: self.ears.submit(lambda: self._hear(path)))
            except merc.MercError as error:
                raise HTTPException(422, self._without_paths(str(error), uploads)) from None
            return self._answer({"conversations": [heard], "notes": notes}, uploads)

    def _hear(self, path: Path) -> tuple[dict[str, Any], list[str]]:
        assert self.listener is not None
        hearing = self.listener.hear(path)
        keys = ("id", "speaker", "start", "end", "text")
        utterances = [{key: getattr(one, key) for key in keys if getattr(one, key) is not None} for one in hearing]
        return {"id": path.stem, "utterances": utterances}, list(hearing.notes())

    async def _answers(self, requests: list[Any]) -> list[merc.Prediction]:
        batcher = self.recordings if isinstance(requests[0], Path) else self.batcher
        return await self._in_time(lambda: batcher.submit(requests if len(requests) > 1 else requests[0]))

    async def _in_time(self, submit: Callable[[], Future[Result]]) -> Result:
        """What is submitted gives, unless too much waits or it takes too long."""
        try:
            future = submit()
        except Full:
            raise HTTPException(429, "too many requests wait; try again in a second", {"retry-after": "1"}) from None
        except Stopped:
            raise HTTPException(503, "the server is stopping") from None
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.limits.seconds)
        except merc.MercError:
            raise
        except TimeoutError:
            raise HTTPException(504, f"there is no answer after {self.limits.seconds:g} s; ask about less") from None
        except Exception:  # a fault of merc or of a plugin, which the batcher wrote to the log
            raise HTTPException(500, _FAULT) from None

    async def _body(self, request: Request, uploads: Uploads) -> Any:
        """The JSON of a request, and its files."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            return _parsed(await request.body())
        if kind != "multipart/form-data":
            raise HTTPException(
                415, f"the body is {kind or 'of no stated type'}; send application/json or multipart/form-data"
            )
        try:
            form = await request.form(max_files=_FILES, max_fields=_FILES)
        except (MultiPartException, HTTPException) as error:
            raise HTTPException(400, f"the form cannot be read: {getattr(error, 'detail', error)}") from None
        try:
            return await self._form(form.multi_items(), uploads)
        except merc.MercError as error:
            raise HTTPException(422, self._without_paths(str(error), uploads)) from None
        finally:
            await form.close()

    @staticmethod
    async def _form(items: list[tuple[str, Any]], uploads: Uploads) -> Any:
        body: Any = None
        fields: dict[str, Any] = {}
        for name, value in items:
            if isinstance(value, UploadFile):
                await uploads.add(value)
            elif name == "request":
                body = _parsed(value.encode())
            elif name in ("text", "speaker", "id"):
                fields[name] = value
            else:
                raise merc.MercError(
                    f"the form has a field {name!r}; fields are request (JSON), text, speaker, id, and files"
                )
        if body is not None:
            if fields:
                raise merc.MercError(f"the form has request and {next(iter(fields))}; what request says stands in it")
            return body
        if len(uploads.files) > 1:
            raise merc.MercError(
                f"{len(uploads.files)} files were sent and nothing says what they are of; say it in the field request"
            )
        for name, path in uploads.files.items():
            info = await asyncio.to_thread(merc.probe_media, path)
            fields["video" if info.video else "audio"] = name
        return fields

    def _answer(self, value: dict[str, Any], uploads: Uploads) -> Response:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        return Response(self._without_paths(text, uploads), media_type="application/json")

    def _without_paths(self, text: str, uploads: Uploads) -> str:
        """A text in which files have the names that their client gave them."""
        for name, path in uploads.files.items():
            quoted, stem = (json.dumps(one, ensure_ascii=False)[1:-1] for one in (name, Path(name).stem))
            text = text.replace(str(path), quoted).replace(path.name, quoted).replace(path.stem, stem)
        return text

    def run(self) -> dict[str, Any]:
        """What ``GET /v1/run`` gives."""
        session = self.session
        resolved = session.recipe.resolved
        there = Path(session.path).is_dir()
        return {
            "run": self.name,
            "title": resolved.get("title") or session.path.name,
            "description": resolved.get("description") or "",
            "labels": list(session.labels.labels),
            "streams": list(session.setup.prompter.streams()),
            "needs_text": session.reader().goes_by_words,
            "sees": _sees(session),
            "hears": self.listener is not None,
            "metrics": session.metrics if there else {},
            "note": "" if there else "the run's directory is gone; the server answers with what it had loaded",
            "merc": merc.__version__,
            "limits": {"megabytes": self.limits.body / 2**20, "utterances": self.limits.utterances},
        }


def _listener(session: merc.Session) -> merc.Listener | None:
    """What hears recordings; None where nothing is installed that does."""
    try:
        return session.listener()
    except merc.MercError:  # a package of it is not there
        return None


def _sees(session: merc.Session) -> bool:
    """Whether a run looks at pictures."""
    encoders, annotators = session.recipe.encoders.values(), session.recipe.annotators.values()
    return any(
        isinstance(ref.component, merc.Encoder) and ref.component.modality == "video" for ref in encoders
    ) or any(isinstance(ref.component, merc.Annotator) and ref.component.video() is not None for ref in annotators)


def _parsed(data: bytes) -> Any:
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        return json.loads(data, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from None


def _add_routes(app: FastAPI, services: Mapping[str, Service]) -> None:
    def named(run: str) -> Service:
        if run and run not in services:
            raise HTTPException(404, f"there is no run {run!r}; there are: {', '.join(services)}")
        return services[run] if run else next(iter(services.values()))

    @app.post("/v1/predict", openapi_extra=PREDICT, responses=RESPONSES, summary="The emotion of every utterance")
    async def predict(request: Request, run: str = "") -> Response:
        return await named(run).predict(request)

    @app.post("/v1/transcribe", openapi_extra=TRANSCRIBE, responses=RESPONSES, summary="What is said in a recording")
    async def transcribe(request: Request, run: str = "") -> Response:
        return await named(run).transcribe(request)

    @app.get("/v1/run", summary="What a run is, and what it answers")
    def run_of(run: str = "") -> dict[str, Any]:
        return named(run).run()

    @app.get("/v1/runs", summary="The runs that answer")
    def runs() -> dict[str, Any]:
        return {"runs": list(services)}

    @app.get("/health", summary="Whether the server lives")
    def health() -> dict[str, Any]:
        return {"status": "ok", "waiting": sum(service.waiting for service in services.values())}


async def _nothing(socket: WebSocket) -> None:
    """What a WebSocket to anywhere else gets: the page's files are no conversation."""
    await socket.close(REFUSED)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return JSONResponse({"error": _FAULT}, 500)
