"""What one client may cost, and who may ask."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from merc_serve.limits import Limits

import merc

BODY = {"text": "You came!"}


class Slow:
    """A session that answers when it is let."""

    def __init__(self, session: merc.Session) -> None:
        self.session, self.free, self.begun = session, threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def predict_together(self, requests: Any) -> Any:
        self.begun.set()
        self.free.wait(60)
        return self.session.predict_together(requests)


def test_a_body_that_is_too_large(session: merc.Session, serve: Any) -> None:
    with serve(session, Limits(body=10_000)) as client:
        for content in (b" " * 20_000, iter([b" " * 6_000] * 3)):  # announced, and not
            response = client.post("/v1/predict", content=content, headers={"content-type": "application/json"})
            assert response.status_code == 413 and "--max-megabytes" in response.json()["error"]
        assert client.post("/v1/predict", json=BODY).status_code == 200


def test_more_requests_than_may_wait(session: merc.Session, serve: Any) -> None:
    slow = Slow(session)
    with serve(slow, Limits(queue=1, together=1)) as client:
        with ThreadPoolExecutor(8) as pool:
            replies = [pool.submit(client.post, "/v1/predict", json=BODY)]
            assert slow.begun.wait(60)
            replies += [pool.submit(client.post, "/v1/predict", json=BODY) for _ in range(7)]
            while sum(reply.done() for reply in replies) < 5:
                threading.Event().wait(0.05)
            slow.free.set()
            codes = sorted(reply.result().status_code for reply in replies)
        # One is worked at, one waits, and a third does if the second was taken up before it came.
        assert codes in ([200] * 2 + [429] * 6, [200] * 3 + [429] * 5)
        refused = next(reply.result() for reply in replies if reply.result().status_code == 429)
        assert refused.headers["retry-after"] == "1" and "try again" in refused.json()["error"]
        assert client.post("/v1/predict", json=BODY).status_code == 200


def test_an_answer_that_does_not_come(session: merc.Session, serve: Any) -> None:
    slow = Slow(session)
    with serve(slow, Limits(seconds=0.2)) as client:
        response = client.post("/v1/predict", json=BODY)
        assert response.status_code == 504 and "0.2 s" in response.json()["error"]
        slow.free.set()
        assert client.get("/health").status_code == 200


def test_a_fault_is_told_and_survived(session: merc.Session, serve: Any) -> None:
    class Faulty(Slow):
        def predict_together(self, requests: Any) -> Any:
            raise RuntimeError("secret detail")

    with serve(Faulty(session)) as client:
        response = client.post("/v1/predict", json=BODY)
        assert response.status_code == 500 and "secret" not in response.text and "log" in response.json()["error"]
        assert client.get("/health").status_code == 200


def test_a_key_is_asked_for(session: merc.Session, serve: Any) -> None:
    with serve(session, key="sesame") as client:
        for headers in ({}, {"authorization": "Bearer other"}, {"authorization": "sesame"}):
            response = client.post("/v1/predict", json=BODY, headers=headers)
            assert response.status_code == 401 and "Bearer" in response.json()["error"]
            assert client.get("/v1/run", headers=headers).status_code == 401
        assert client.get("/health").status_code == 200 and client.get("/").status_code == 200
        answered = client.post("/v1/predict", json=BODY, headers={"authorization": "Bearer sesame"})
        assert answered.status_code == 200


def test_pages_of_other_sites_and_other_names_are_refused(client: httpx.Client) -> None:
    response = client.post("/v1/predict", json=BODY, headers={"origin": "http://other.example"})
    assert response.status_code == 403 and "other.example" in response.json()["error"]
    assert client.get("/health", headers={"host": "other.example"}).status_code == 400
    own = {"origin": str(client.base_url).rstrip("/")}
    assert client.post("/v1/predict", json=BODY, headers=own).status_code == 200


def test_the_page_may_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    response = client.get("/")
    assert response.headers["content-security-policy"].startswith("default-src 'self'")
    for name in ("page.js", "result.js", "exports.js", "page.css", "index.html"):
        text = client.get(f"/{name}").text
        assert "http://" not in text and "https://" not in text and "innerHTML" not in text, name


@pytest.mark.parametrize("path", ["/..%2f..%2fpyproject.toml", "/%2e%2e/app.py", "/v1/nothing"])
def test_nothing_else_is_served(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404
