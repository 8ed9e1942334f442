"""Teachers and judges behind servers that misbehave: each is a socket that answers as one line of a table says."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import merc

pytest.importorskip("openai")
pytest.importorskip("merc_bemerc")

from merc_bemerc.openai_compatible import OpenAICompatible

pytestmark = pytest.mark.usefixtures("with_consent")
CUES = {"face": "She smiles.", "body": "She waves.", "posture": "She sits upright."}
KEY = "sk-a-secret-of-one-host-0123456789"


def completion(content: object, **choice: object) -> bytes:
    first = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}, **choice}
    return json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [first]}).encode()


def http(body: bytes, status: str = "200 OK", kind: str = "application/json", more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    )
    return head.encode() + body


def at_once(data: bytes) -> Callable[[socket.socket], None]:
    return lambda client: client.sendall(data)


def drip(start: bytes) -> Callable[[socket.socket], None]:
    """Send ``start``, and then a byte every twentieth of a second for as long as somebody listens."""

    def send(client: socket.socket) -> None:
        client.sendall(start)
        for _ in range(400):
            time.sleep(0.05)
            client.sendall(b" ")

    return send


class Hostile:
    """A server that answers every request alike. ``requests`` are the requests that came, whole."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self.behave = behave
        self.requests: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                got = b""
                while b"\r\n\r\n" not in got:
                    got += client.recv(65536)
                head, _, body = got.partition(b"\r\n\r\n")
                length = next(
                    int(one.split(b":")[1]) for one in head.split(b"\r\n") if b"content-length" in one.lower()
                )
                while len(body) < length:
                    body += client.recv(65536)
                self.requests.append(head + b"\r\n\r\n" + body)
                self.behave(client)
            except OSError:  # the other side has gone
                pass


@pytest.fixture
def with_consent(monkeypatch):
    monkeypatch.setenv("MERC_ALLOW", "127.0.0.1,localhost,env:TEACHER_KEY")


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], Hostile]]:
    made: list[Hostile] = []

    def start(behave: Callable[[socket.socket], None]) -> Hostile:
        made.append(Hostile(behave))
        return made[-1]

    yield start
    for one in made:
        one.listener.close()


def ask(url: str, **params: object) -> merc.Annotation:
    said = merc.Utterance(id="u", text="Well.", speaker="Ann")
    query = merc.Query(conversation=merc.Conversation(id="c", utterances=(said,)), index=0, labels=merc.LabelSpace(()))
    frames = merc.VideoClip(frames=np.full((2, 24, 32, 3), 90, np.uint8), times=np.array([0.0, 0.5]))
    shown = merc.Observation(query=query, video=frames, audio=merc.Missing("not asked for"))
    params = {"retries": 0, "timeout": 0.5, "deadline": 1.0, "attempts": 2, **params}
    teacher = OpenAICompatible(base_url=url, model="m", **params)
    ((_, found),) = teacher.load("cpu")([shown])
    return found


NESTED = "[" * 100_000 + "]" * 100_000
PASSING = {
    "drips the body": (drip(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"), "deadline"),
    "drips the head": (drip(b"HTTP/1.1 200 OK\r\nX-Slow: "), "deadline"),
    "is silent": (lambda client: time.sleep(3), "no answer within 0.5 s"),
    "half a body": (at_once(http(completion(json.dumps(CUES)))[:-60]), "connection"),
    "half of the chunks": (
        at_once(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"choices\r\n'),
        "connection",
    ),
    "half a head": (at_once(b"HTTP/1.1 200"), "connection"),
    "no HTTP": (at_once(b"\x00\x01\x02 220 smtp ready\r\n"), "connection"),
    "nothing": (at_once(http(b"")), "no chat completion"),
    "a body that is nested": (at_once(http(NESTED.encode())), "no chat completion"),
    "an answer that is nested": (at_once(http(completion(None).replace(b"null", NESTED.encode()))), ""),
    "an answer that is no text": (at_once(http(completion({"face": "x"}))), "no text"),
    "choices that are none": (at_once(http(b'{"choices": "many"}')), "no chat completion"),
    "a choice that is none": (at_once(http(b'{"choices": [7]}')), "no chat completion"),
    "UTF-16": (at_once(http("é".encode("utf-16") * 9)), "no chat completion"),
    "no UTF-8": (at_once(http(b'{"choices": "\xff\xfe\xe9"}')), "no chat completion"),
    "compressed": (at_once(http(b"\x1f\x8b" + b"x" * 99, more="Content-Encoding: gzip\r\n")), "encoding"),
    "a wait for years": (at_once(http(b"{}", "429 Wait", more="Retry-After: 999999999\r\n")), "HTTP 429"),
    "500": (at_once(http(b'{"error": {"message": "out of memory"}}', "500 Oh")), "out of memory"),
    "a huge 500": (at_once(http(b"x" * 3_000_000, "500 Oh")), "HTTP 500"),
    "a nested 500": (at_once(http(b'{"error": ' + NESTED.encode() + b"}", "500 Oh")), "HTTP 500"),
    "an error as 200": (at_once(http(b'{"error": {"code": 500, "message": "overloaded"}}')), "overloaded"),
    "an error as a choice": (at_once(http(completion("", finish_reason="error"))), "error"),
}


@pytest.mark.parametrize("what", PASSING)
def test_what_is_no_answer_is_asked_again_next_time_and_holds_nobody(serve, what):
    behave, reason = PASSING[what]
    began = time.monotonic()
    found = ask(serve(behave).url)
    assert time.monotonic() - began < 5
    assert found.retry and reason in found.reason and not found.raw
    assert len(found.reason) < 500 and found.reason.isprintable()


@pytest.mark.parametrize("size", [70_000, 22_000_000])
def test_an_answer_far_too_long_is_refused_and_not_kept(serve, size):
    server = serve(at_once(http(completion("x" * size))))
    found = ask(server.url, deadline=20.0)
    assert not found.retry and "more than" in found.reason and "bytes" in found.reason
    assert len(found.raw) == 2 and sum(map(len, found.raw)) < 500
    assert len(server.requests) == 2 and b"cannot be used" in server.requests[1]


def test_an_endless_response_is_read_no_further_than_its_limit(serve):
    sent = []

    def pour(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while sum(sent) < 200_000_000:
            client.sendall(b" " * 65536)
            sent.append(65536)

    found = ask(serve(pour).url, attempts=1, deadline=30.0)
    assert not found.retry and "1,048,576 bytes" in found.reason
    # what lies in buffers between the two counts as sent
    assert sum(sent) < 50_000_000


@pytest.mark.parametrize(
    "answer",
    [
        '{"face": ' + "[" * 1000 + "]" * 1000 + ', "body": null, "posture": null}',
        '{"a":' * 10_000 + "1" + "}" * 10_000,
        '{"face": ' + "9" * 5000 + "}",
        '{"face": "x"} ' * 4000,
        "{" + ",".join(f'"k{n}": 1' for n in range(5000)) + "}",
    ],
    ids=["nested list", "nested object", "long number", "many objects", "many keys"],
)
def test_an_answer_that_breaks_readers_is_refused(serve, answer):
    began = time.monotonic()
    found = ask(serve(at_once(http(completion(answer)))).url)
    assert time.monotonic() - began < 5
    assert not found.retry and found.raw == (answer, answer) and len(found.reason) < 2000


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_no_redirect_is_followed_with_the_key_or_without(serve, monkeypatch, status):
    other = serve(at_once(http(completion(json.dumps(CUES)))))
    first = serve(at_once(http(b"", status, more=f"Location: {other.url}/chat/completions\r\n")))
    monkeypatch.setenv("TEACHER_KEY", KEY)
    with pytest.raises(merc.MercError, match="base_url") as error:
        ask(first.url, key="TEACHER_KEY")
    assert other.requests == [] and len(first.requests) == 1
    assert other.url in str(error.value) and KEY not in str(error.value)


def test_words_of_a_server_cannot_steer_a_terminal(serve):
    found = ask(serve(at_once(http(b"\x1b[2J\x07\x9b31m bad \xe2\x80\xae news", "500 Oh", "text/plain"))).url)
    assert "bad" in found.reason and found.reason.isprintable()


def judged(url: str) -> dict[str, object]:
    judge = pytest.importorskip("merc_emotion_llama.judge")
    metric = judge.EmerOverlap(base_url=url, model="m", retries=0, timeout=0.5, deadline=1.0, attempts=1)
    truths = {"description": "A smile."}
    said = merc.Prediction(id="u", conversation="c", answer="A grin.", truths=truths)
    return dict(metric.compute([said], merc.LabelSpace(())))


@pytest.mark.parametrize("what", [*PASSING, "nested", "huge", "out of range"])
def test_a_judge_that_fails_gives_no_score(serve, what):
    more = {
        "nested": at_once(http(completion('{"score": ' + "[" * 9999))),
        "huge": at_once(http(completion("x" * 100_000))),
        "out of range": at_once(http(completion('{"score": ' + "9" * 400 + ', "reason": "x"}'))),
    }
    found = judged(serve(more.get(what) or PASSING[what][0]).url)
    assert found["clue_overlap"] is None and found["label_overlap"] is None
    assert found["scored"] == 0 and sum(found["unscored"].values()) >= 1
