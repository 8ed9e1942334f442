"""The server of the review page: what a rater sees of a clip, and what is kept of the answers."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import threading
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from merc_serve import BodyLimit, SafeHeaders, SameOrigin
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import merc
from merc_annotation.ratings import LEAST, MOST, QUESTIONS, check_review
from merc_annotation.records import Record

_MOST_BYTES = 1 << 20
_SHOWN = ("id", "conversation", "speaker", "text", "label", "label_source", "clues", "rationale", "evidence",
          "conflicts", "description", "start", "end", "uncertain")  # fmt: skip


class Reviews:
    """What raters answered: a file of JSON Lines for each, to which every change is appended; the last line of a clip
    counts. Raters never see what others answered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "reviews"
        self._lock = threading.Lock()

    def of(self, rater: str) -> dict[str, dict[str, Any]]:
        """The reviews of a rater, by clip. A torn line, as a killed process leaves it, counts for nothing."""
        reviews: dict[str, dict[str, Any]] = {}
        path = self._path(rater)
        for line in path.read_bytes().split(b"\n")[:-1] if path.is_file() else ():
            try:
                review = json.loads(line)
                check_review(review)
            except ValueError:
                continue
            if review["rater"] == rater:
                reviews[review["id"]] = review
        return reviews

    def add(self, review: dict[str, Any]) -> None:
        """Keep a review; it is on the disk when this returns. Raises ValueError for what is none, MercError where it
        cannot be written; then the file is as it was."""
        check_review(review)
        data = (json.dumps(review, ensure_ascii=False) + "\n").encode()
        path = self._path(review["rater"])
        with self._lock:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with path.open("ab") as file:
                    size = _whole(path)
                    if file.tell() != size:
                        file.truncate(size)
                    try:
                        file.write(data)
                        file.flush()
                        os.fsync(file.fileno())
                    except OSError:
                        file.truncate(size)
                        raise
            except OSError as error:
                raise merc.MercError(f"the answer could not be written to {path}: {error.strerror}") from error

    def _path(self, rater: str) -> Path:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", rater).strip("-")[:40] or "rater"
        return self.folder / f"{plain}-{hashlib.sha256(rater.encode()).hexdigest()[:8]}.jsonl"


def _whole(path: Path) -> int:
    """Where the last whole line of a file ends."""
    content = path.read_bytes()
    return content.rfind(b"\n") + 1


def create_app(folder: Path, records: Sequence[Record], title: str, hosts: list[str] | None = None) -> Starlette:
    """The application that shows ``records`` of a released folder to raters.

    Args:
        folder: The released folder, in which reviews are kept.
        records: What is to be reviewed, in this order.
        title: The name of the set.
        hosts: The names under which the server may be called; None allows all.
    """
    reviews = Reviews(folder)
    labels = sorted({r["label"] for r in records if r["label"]})

    def rater_of(request: Request) -> str:
        rater = request.query_params.get("rater", "").strip()
        if not rater or len(rater) > 80 or not rater.isprintable():
            raise HTTPException(422, "say who rates: ?rater=NAME, at most 80 characters")
        return rater

    def record_at(request: Request) -> Record:
        at = request.path_params["at"]
        if not 0 <= at < len(records):
            raise HTTPException(404, f"there is no clip {at + 1}; there are {len(records)}")
        return records[at]

    def overview(request: Request) -> Response:
        mine = reviews.of(rater_of(request))
        items = [{"id": r["id"], "done": _is_done(mine.get(r["id"]))} for r in records]
        return JSONResponse({
            "title": title, "questions": dict(QUESTIONS), "least": LEAST, "most": MOST, "labels": labels,
            "items": items,
        })  # fmt: skip

    def item(request: Request) -> Response:
        record = record_at(request)
        visible = {key: record.get(key) for key in _SHOWN}
        peak = (record.get("peak_frame") or {}).get("time")
        stills = [] if peak is None else [peak]
        mine = reviews.of(rater_of(request)).get(record["id"])
        media = {kind: record.get(kind) is not None for kind in ("video", "audio")}
        return JSONResponse({**visible, "stills": stills, "media": media, "review": mine})

    def media(request: Request) -> Response:
        record = record_at(request)
        name = record.get("video") or record.get("audio")
        if not name:
            raise HTTPException(404, "this clip has neither picture nor sound")
        path = (folder / name).resolve()  # an absolute path stays what it is
        if not path.is_file():
            raise HTTPException(404, f"the file {path.name} is not there any more")
        return FileResponse(path)

    async def save(request: Request) -> Response:
        rater = rater_of(request)
        try:
            body = json.loads(await request.body())
            if not isinstance(body, dict) or body.get("id") not in {r["id"] for r in records}:
                raise ValueError("id is none of the clips of this set")
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            known = {key: body.get(key) for key in ("id", "answers", "label", "description", "note")}
            await run_in_threadpool(reviews.add, {**known, "rater": rater, "at": now})
        except (ValueError, RecursionError) as error:
            raise HTTPException(422, str(error)) from None
        except merc.MercError as error:
            raise HTTPException(507, str(error)) from None
        return JSONResponse({"saved": True, "at": now})

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code)

    trusted = [Middleware(TrustedHostMiddleware, allowed_hosts=hosts)] if hosts is not None else []
    return Starlette(
        routes=[
            Route("/api/set", overview),
            Route("/api/item/{at:int}", item),
            Route("/api/media/{at:int}", media),
            Route("/api/review", save, methods=["POST"]),
            Mount("/", StaticFiles(directory=str(files("merc_annotation") / "page"), html=True)),
        ],
        middleware=[
            *trusted,
            Middleware(SafeHeaders),
            Middleware(SameOrigin),
            Middleware(BodyLimit, most=_MOST_BYTES),
        ],
        exception_handlers={HTTPException: refused},
    )


def _is_done(review: dict[str, Any] | None) -> bool:
    """Whether every question has an answer, which may be that it cannot be answered."""
    return review is not None and all(name in review["answers"] for name in QUESTIONS)
