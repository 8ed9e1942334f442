"""Recordings without words: heard where merc-speech is installed, and refused in a sentence where it is not."""

from __future__ import annotations

import threading
import wave
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from merc_serve.app import create_app
from merc_serve.limits import Limits
from starlette.testclient import TestClient

import merc

from .conftest import Serve


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """Two tones of half a second with a second of silence between and around them."""
    rate = 16_000
    silence, sound = np.zeros(rate), np.sin(np.arange(rate // 2) * 0.2)
    samples = np.concatenate([silence, sound, silence, sound, silence])
    path = tmp_path / "two tones.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 20_000).astype("<i2").tobytes())
    return path


@dataclass(frozen=True, kw_only=True)
class Tones(merc.Segmenter):
    """Takes loud stretches of half a second for speech."""

    def load(self, device: str) -> merc.SegmentFunction:
        def spans(windows: Iterable[merc.SoundWindow]) -> Iterator[merc.SpeechSpan]:
            for window in windows:
                step = window.clip.rate // 2
                for at in range(0, len(window.clip.samples), step):
                    if np.abs(window.clip.samples[at : at + step]).mean() > 0.1:
                        start = window.start + at / window.clip.rate
                        yield merc.SpeechSpan(start=start, end=start + 0.5, speaker="A")

        return spans


@dataclass(frozen=True, kw_only=True)
class Hums(merc.Transcriber):
    """Hears a hum in everything."""

    def load(self, device: str) -> merc.TranscribeFunction:
        return lambda clips: [merc.Transcript(text="Hm.") for _ in clips]


def test_without_what_hears_it_is_said(client: httpx.Client, tone: Path) -> None:
    assert client.get("/v1/run").json()["hears"] is False
    with tone.open("rb") as file:
        response = client.post("/v1/transcribe", files={"media": (tone.name, file)})
    assert response.status_code == 501 and "merc-speech" in response.json()["error"]
    with tone.open("rb") as file:
        response = client.post("/v1/predict", files={"media": (tone.name, file)})
    assert response.status_code == 422 and "two tones.wav" in response.json()["error"]
    assert "merc-serve-" not in response.text and "upload-" not in response.text


def test_what_is_heard_has_times_speakers_and_words(session: merc.Session, tone: Path) -> None:
    app = create_app({"run": session})
    app.state.services["run"].listener = merc.Listener(Tones(), Hums())
    with TestClient(app) as client:
        assert client.get("/v1/run").json()["hears"] is True
        with tone.open("rb") as file:
            answer = client.post("/v1/transcribe", files={"media": (tone.name, file)}).json()
        two = client.post("/v1/transcribe", files=[("media", ("a.wav", b"1")), ("media", ("b.wav", b"2"))])
        words = client.post("/v1/transcribe", json={"text": "You came!"})
    (talk,) = answer["conversations"]
    assert talk["id"] == "two tones"
    spans = [(one["speaker"], one["start"], one["end"], one["text"]) for one in talk["utterances"]]
    assert spans == [("A", 1.0, 1.5, "Hm."), ("A", 2.5, 3.0, "Hm.")]
    assert [one["id"] for one in talk["utterances"]] == ["two tones_u0", "two tones_u1"]
    assert two.status_code == words.status_code == 422


@dataclass(frozen=True, kw_only=True)
class Listens(merc.Transcriber):
    """Hears for a long time, until it may end."""

    def load(self, device: str) -> merc.TranscribeFunction:
        def hear(clips: Sequence[merc.AudioClip]) -> list[merc.Transcript | merc.Missing]:
            ENOUGH.wait(60)
            return [merc.Transcript(text="Hm.") for _ in clips]

        return hear


ENOUGH = threading.Event()


def test_who_sends_words_does_not_wait_for_recordings(
    session: merc.Session, tone: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, reader = merc.Listener(Tones(), Listens()), merc.Session.reader
    monkeypatch.setattr(merc.Session, "reader", lambda self, *given: reader(self, listener))
    monkeypatch.setattr(merc.Session, "listener", lambda self: listener)
    ENOUGH.clear()

    def send(kind: str) -> tuple[int, str]:
        response = client.post(kind, files={"media": (tone.name, tone.read_bytes())})
        return response.status_code, response.text

    with serve(session, Limits(seconds=8.0, queue=2)) as client, ThreadPoolExecutor(16) as pool:
        heard = [pool.submit(send, "/v1/transcribe") for _ in range(8)]
        shown = [pool.submit(send, "/v1/predict") for _ in range(3)]
        answers = [client.post("/v1/predict", json={"text": "You came!"}) for _ in range(3)]
        assert [one.status_code for one in answers] == [200] * 3, "while all of them wait"
        assert not all(one.done() for one in heard)
        codes = sorted(one.result()[0] for one in heard)
        assert set(codes) == {429, 504} and codes.count(504) == 3, "one is heard, two wait, the others come again"
        assert {one.result()[0] for one in shown} <= {429, 504}
        ENOUGH.set()
    assert any("there is no answer after 8 s" in one.result()[1] for one in heard)


def test_what_is_no_form_of_a_recording_is_said(client: httpx.Client, session: merc.Session, tone: Path) -> None:
    app = create_app({"run": session})
    app.state.services["run"].listener = merc.Listener(Tones(), Hums())
    with TestClient(app) as own, tone.open("rb") as file:
        odd = own.post("/v1/transcribe", files={"media": (tone.name, file)}, data={"request": "[1]"})
    assert odd.status_code == 422 and "and nothing else" in odd.json()["error"]
    for seconds in ("1e999", "1e300", "-1e999", "9" * 400):
        body = f'{{"utterances": [{{"text": "Hi.", "start": {seconds}}}]}}'
        answer = client.post("/v1/predict", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422 and "no number of seconds" in answer.json()["error"], seconds


def test_a_recording_becomes_a_timeline(
    session: merc.Session, tone: Path, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = merc.Session.reader
    monkeypatch.setattr(merc.Session, "reader", lambda self, *given: reader(self, merc.Listener(Tones(), Hums())))
    with tone.open("rb") as file:
        response = client.post("/v1/predict", files={"media": (tone.name, file)})
    assert response.status_code == 200, response.text
    records = response.json()["predictions"]
    assert [(one["id"], one["start"], one["text"]) for one in records] == [
        ("two tones_u0", 1.0, "Hm."),
        ("two tones_u1", 2.5, "Hm."),
    ]
    whole = session.predict(tone, listener=merc.Listener(Tones(), Hums()))
    for record, prediction in zip(records, whole, strict=True):
        assert record["label"] == prediction.label
        assert record["probabilities"] == pytest.approx(dict(prediction.probabilities or {}), abs=1e-5)
