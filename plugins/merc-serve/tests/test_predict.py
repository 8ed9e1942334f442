"""``POST /v1/predict``: the same answers as the session's, and a sentence for what is no request."""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import merc


def close(record: dict[str, Any], prediction: merc.Prediction) -> None:
    assert record["label"] == prediction.label
    assert record["probabilities"] == pytest.approx(dict(prediction.probabilities or {}), abs=1e-5)


def ask(client: httpx.Client, **options: Any) -> list[dict[str, Any]]:
    response = client.post("/v1/predict", **options)
    assert response.status_code == 200, response.text
    records: list[dict[str, Any]] = response.json()["predictions"]
    return records


def refused(client: httpx.Client, status: int, **options: Any) -> str:
    response = client.post("/v1/predict", **options)
    assert response.status_code == status, response.text
    sentence: str = response.json()["error"]
    assert sentence and "\n" not in sentence
    return sentence


@pytest.fixture
def clip(senses: Path) -> Path:
    return next(iter(sorted(senses.rglob("*.mp4"))))


def test_words_of_one_utterance(client: httpx.Client, session: merc.Session) -> None:
    (record,) = ask(client, json={"text": "You came!", "speaker": "Ann"})
    (prediction,) = session.predict({"text": "You came!", "speaker": "Ann"})
    close(record, prediction)
    assert (record["text"], record["speaker"]) == ("You came!", "Ann") and record["missing"]


def test_a_conversation_has_its_context(client: httpx.Client, session: merc.Session) -> None:
    words = ["You came!", "I said that I would.", "It was turn 1."]
    records = ask(client, json={"id": "talk", "utterances": [{"text": text, "speaker": "Ann"} for text in words]})
    utterances = tuple(merc.Utterance(id=f"talk-{n + 1}", text=text, speaker="Ann") for n, text in enumerate(words))
    for record, prediction in zip(
        records, session.predict(merc.Conversation(id="talk", utterances=utterances)), strict=True
    ):
        assert (record["id"], record["conversation"]) == (prediction.id, "talk")
        close(record, prediction)


def test_several_conversations_in_order(client: httpx.Client) -> None:
    talks = [{"id": name, "utterances": [{"text": "Yes."}, {"text": "No."}]} for name in ("b", "a")]
    assert [record["id"] for record in ask(client, json={"conversations": talks})] == ["b-1", "b-2", "a-1", "a-2"]


def test_a_clip_is_what_it_is_to_the_session(client: httpx.Client, session: merc.Session, clip: Path) -> None:
    with clip.open("rb") as file:
        (record,) = ask(client, data={"text": "Hello."}, files={"media": (clip.name, file)})
    (prediction,) = session.predict(clip, text="Hello.")
    close(record, prediction)
    assert record["missing"] == dict(prediction.missing)


def test_a_request_names_the_files_that_it_sends(client: httpx.Client, session: merc.Session, clip: Path) -> None:
    body = {"utterances": [{"text": "Hello.", "video": "a.mp4"}, {"text": "And?", "speaker": "Bo"}]}
    with clip.open("rb") as file:
        first, second = ask(client, data={"request": json.dumps(body)}, files={"media": ("a.mp4", file)})
    talk = merc.Conversation(
        id="c",
        utterances=(
            merc.Utterance(id="c1", text="Hello.", video=clip),
            merc.Utterance(id="c2", text="And?", speaker="Bo"),
        ),
    )
    for record, prediction in zip((first, second), session.predict(talk), strict=True):
        close(record, prediction)
    assert not first["missing"]


def test_uploads_are_removed(client: httpx.Client, clip: Path) -> None:
    folder = Path(tempfile.gettempdir())
    with clip.open("rb") as file:
        ask(client, data={"text": "Hello."}, files={"media": ("../../escape.mp4", file)})
    assert not list(folder.glob("merc-serve-*")) and not list(folder.glob("**/escape.mp4"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[]", ["a list", "object"]),
        ("7", ["a number"]),
        ("{}", ["nothing to predict", "text"]),
        ('{"words": "hi"}', ["'words'", "text"]),
        ('{"text": 7}', ["text", "a number"]),
        ('{"utterances": []}', ["utterances", "not empty"]),
        ('{"utterances": [{"speaker": "Ann"}]}', ["utterances[0]", "no text"]),
        ('{"utterances": [{"text": "a", "start": "now"}]}', ["utterances[0].start", "seconds"]),
        ('{"utterances": [{"text": "a", "id": "x"}, {"text": "b", "id": "x"}]}', ["'x'"]),
        ('{"conversations": {}}', ["conversations", "list"]),
        ('{"conversations": [{"id": "a"}], "utterances": []}', ["one of them"]),
        ('{"text": "a", "video": "/etc/passwd"}', ["/etc/passwd", "not sent"]),
        ('{"utterances": [{"text": "a", "audio": "../x.wav"}]}', ["../x.wav", "not sent"]),
        ('{"text": "\\ud800"}', ["half a character"]),
        (json.dumps({"utterances": [{"text": "a"}] * 513}), ["513", "512"]),
    ],
)
def test_a_body_of_another_form(client: httpx.Client, body: str, words: list[str]) -> None:
    sentence = refused(client, 422, content=body, headers={"content-type": "application/json"})
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize("body", [b"", b"{", b'{"text": NaN}', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json(client: httpx.Client, body: bytes) -> None:
    sentence = refused(client, 400, content=body, headers={"content-type": "application/json"})
    assert "JSON" in sentence


def test_a_body_of_another_type(client: httpx.Client) -> None:
    assert "text/plain" in refused(client, 415, content=b"hi", headers={"content-type": "text/plain"})


def test_files_that_are_none(client: httpx.Client) -> None:
    data = {"text": "Hello."}
    zipped = refused(client, 422, data=data, files={"media": ("talk.mp4", b"PK\x03\x04 no film")})
    assert "talk.mp4" in zipped and "cannot be read" in zipped and "merc-serve" not in zipped
    assert "'talk.wav' is empty" in refused(client, 422, data=data, files={"media": ("talk.wav", b"")})
    assert "ending" in refused(client, 422, data=data, files={"media": ("talk", b"123")})
    two = [("media", ("a.wav", b"1")), ("media", ("a.wav", b"2"))]
    assert "two files" in refused(client, 422, data=data, files=two)
    other = {"words": "Hello."}
    assert "'words'" in refused(client, 422, data=other, files={"media": ("a.wav", b"1")})


def test_a_run_that_is_not_served(client: httpx.Client) -> None:
    response = client.post("/v1/predict?run=other", json={"text": "a"})
    assert response.status_code == 404 and "'other'" in response.json()["error"]


def test_what_users_write_comes_back_as_it_was(client: httpx.Client) -> None:
    text = "<script>alert(1)</script> \u202e 😀 \x00"
    (record,) = ask(client, json={"text": text, "speaker": "<b>"})
    assert (record["text"], record["speaker"]) == (text, "<b>")


def test_many_at_once_get_their_own_answers(client: httpx.Client, session: merc.Session) -> None:
    words = [f"Sentence number {n}, said by {n % 3}." for n in range(24)]

    def one(text: str) -> dict[str, Any]:
        return ask(client, json={"text": text})[0]

    with ThreadPoolExecutor(8) as pool:
        for text, record in zip(words, pool.map(one, words), strict=True):
            assert record["text"] == text
            close(record, session.predict({"text": text})[0])


def test_what_a_run_is(client: httpx.Client, session: merc.Session) -> None:
    run = client.get("/v1/run").json()
    assert run["labels"] == list(session.labels.labels) and run["needs_text"] is True
    assert client.get("/v1/runs").json() == {"runs": ["run"]}
    assert client.get("/health").json()["status"] == "ok"
    assert "/v1/predict" in client.get("/openapi.json").json()["paths"]
    page = client.get("/docs").text
    assert "http://" not in page and "https://" not in page
