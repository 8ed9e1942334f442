"""A conversation while it is spoken: what is told when, and that its end is what the recording gets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from merc_live import Engine
from merc_live.replay import replay

import merc
from merc.testing.examples import transcriber
from tests.toys.loud import LiveLoud, Spans

from .conftest import RATE, sound


class Events(list[dict[str, Any]]):
    """What an engine says; it can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()

    def __call__(self, event: dict[str, Any]) -> None:
        with self.changed:
            self.append(event)
            self.changed.notify_all()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self if one["type"] == kind]

    def wait(self, kind: str, count: int) -> dict[str, Any]:
        """The event of a kind that is the ``count``-th."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.of(kind)) >= count, 120), list(self)
        return self.of(kind)[count - 1]


def speak(engine: Engine, samples: np.ndarray, step: float = 0.05) -> None:
    size = round(step * RATE)
    for at in range(0, len(samples), size):
        assert engine.sound(samples[at : at + size])


def test_finals_are_what_the_recording_gets(session: merc.Session, listener: merc.Listener, film: Path) -> None:
    wanted = session.predict(film, listener=listener)
    events = Events()
    engine = Engine(session, events, listener=listener, name="talk")
    engine.ready("run")
    replay(engine, film, speed=0)
    engine.end()
    finals = events.of("final")
    assert len(wanted) == len(finals) == 4
    for own, other in zip(finals, wanted, strict=True):
        assert (own["id"], own["text"], own["start"], own["end"]) == (other.id, other.text, other.start, other.end)
        assert own["label"] == other.label and own["missing"] == other.missing == {}
        assert own["probabilities"] == pytest.approx(dict(other.probabilities or {}), abs=1e-5)
    assert [one["context"] for one in finals] == [0, 1, 2, 3]
    assert all(
        set(one["latency"]) == {"voice_activity", "pause", "transcription", "features", "scoring", "total"}
        and one["latency"]["pause"] == pytest.approx(0.4, abs=0.06)
        for one in finals
    )
    assert events[0] == {
        "type": "ready", "run": "run", "labels": list(session.labels.labels), "streams": ["seen", "heard"]
    }  # fmt: skip
    assert [one["type"] for one in events[-2:]] == ["note", "end"] and "4 utterances" in events[-2]["text"]


def test_what_is_known_is_told_before_the_end(
    session: merc.Session, listener: merc.Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = Events()
    engine = Engine(session, events, listener=listener, speaker="Ann")
    engine.picture(0.0, np.zeros((16, 16, 3), np.uint8))
    speak(engine, sound(-0.5, 0.8))
    voice = events.wait("provisional", 1)
    assert (voice["id"], voice["speaker"], voice["text"], voice["start"]) == ("live_u0", "Ann", "", 0.5)
    assert voice["missing"] == {"text": "the words are not known yet"} and 0.9 < voice["end"] < 1.1
    speak(engine, sound(-0.2))
    words = events.wait("provisional", 2)
    assert (words["text"], words["missing"], words["start"], words["end"]) == ("la", {}, 0.5, 1.3)
    with monkeypatch.context() as patch:  # nothing is computed again when the pause is over
        patch.setattr(merc.Session, "predictions", None)
        speak(engine, sound(-0.4))
        final = events.wait("final", 1)
    assert {key: final[key] for key in ("id", "text", "label", "probabilities")} == {
        key: words[key] for key in ("id", "text", "label", "probabilities")
    }
    engine.end()
    assert len(events.of("final")) == 1


def test_somebody_who_goes_on_after_a_short_pause(session: merc.Session, listener: merc.Listener) -> None:
    events = Events()
    engine = Engine(session, events, listener=listener)
    speak(engine, sound(-0.5, 0.3, -0.2))
    assert events.wait("provisional", 1)["text"] == "la"
    speak(engine, sound(0.7))
    more = events.wait("provisional", 2)
    assert more["text"] == "la" and more["missing"]["text"] == "the words after 0.8 s are not known yet"
    speak(engine, sound(-0.5))
    engine.end()
    (final,) = events.of("final")
    assert (final["text"], final["start"], final["end"]) == ("la la", 0.5, 1.7)
    said = merc.AudioClip(samples=sound(0.3, -0.2, 0.7), rate=RATE)
    (whole,) = session.predict({"id": "a", "text": "la la", "audio": said})
    assert final["probabilities"] == pytest.approx(dict(whole.probabilities or {}), abs=1e-4)


class OfASecond(Spans):
    """Knows of a loud part only at its end whether it is speech: where it lasts a second."""

    def close(self) -> list[merc.SpeechSpan]:
        return [span for span in super().close() if span.end - span.start >= 1.0]


class LongEnough(LiveLoud):
    """Hears so."""

    def stream(self, device: str) -> Callable[[], merc.SpanStream]:
        return lambda: OfASecond(self)


def test_what_was_no_speech_after_all_is_dropped(session: merc.Session) -> None:
    events = Events()
    engine = Engine(session, events, listener=merc.Listener(LongEnough(), transcriber.Example()))
    speak(engine, sound(-0.5, 0.7))
    assert events.wait("provisional", 1)["id"] == "live_u0"
    speak(engine, sound(-0.5))
    assert events.wait("dropped", 1) == {"type": "dropped", "id": "live_u0"}
    speak(engine, sound(-0.5))  # what is silent is not dropped again
    dropped = len(events)
    speak(engine, sound(1.2, -0.5))
    engine.end()
    (final,) = events.of("final")
    assert (final["id"], final["text"], final["start"], final["end"]) == ("live_u0", "la", 2.2, 3.4)
    assert [one["type"] for one in events].index("dropped") == dropped - 1 and len(events.of("dropped")) == 1


def test_a_long_conversation_shows_its_last_utterances(session: merc.Session, listener: merc.Listener) -> None:
    events = Events()
    engine = Engine(session, events, listener=listener, history=4)
    for _ in range(8):
        speak(engine, sound(0.3, -0.5))
    engine.end()
    assert [one["context"] for one in events.of("final")] == [0, 1, 2, 3, 4, 3, 4, 3]
    assert [one["id"] for one in events.of("final")] == [f"live_u{n}" for n in range(8)]


class Slow(transcriber.Example):
    """Hears when it is let, and fails when it is told to."""

    free = threading.Event()
    failing = False

    def load(self, device: str) -> merc.TranscribeFunction:
        hear = super().load(device)

        def transcribe(clips: Sequence[merc.AudioClip]) -> Sequence[merc.Transcript | merc.Missing]:
            assert self.free.wait(120)
            if self.failing:
                raise RuntimeError("the network is gone")
            return hear(clips)

        return transcribe


def test_who_speaks_faster_than_is_answered_waits(session: merc.Session) -> None:
    events = Events()
    Slow.free.clear()
    engine = Engine(session, events, listener=merc.Listener(LiveLoud(), Slow()))
    speaking = threading.Thread(target=speak, args=(engine, sound(*[0.2, -0.5] * 12)))
    speaking.start()
    while engine.waiting < 5:
        time.sleep(0.01)
    heard = engine.heard
    time.sleep(0.1)
    assert engine.heard == heard and engine.waiting == 5
    Slow.free.set()
    speaking.join(120)
    engine.end()
    assert len(events.of("final")) == 12


def test_a_fault_is_said_and_ends_it(session: merc.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    events = Events()
    Slow.free.set()
    monkeypatch.setattr(Slow, "failing", True)
    engine = Engine(session, events, listener=merc.Listener(LiveLoud(), Slow()))
    speak(engine, sound(0.3, -0.2))
    assert "the network is gone" in events.wait("error", 1)["error"]
    assert not engine.sound(sound(1.0))
    engine.end()
    assert isinstance(engine.fault, RuntimeError) and not events.of("end")


def test_it_can_be_stopped(session: merc.Session, listener: merc.Listener) -> None:
    events = Events()
    engine = Engine(session, events, listener=listener)
    speak(engine, sound(1.0, -0.2))
    engine.stop()
    count = len(events)
    assert not engine.sound(sound(1.0))
    engine.end()
    assert len(events) == count


def test_what_cannot_be_used_live(session: merc.Session, listener: merc.Listener, film: Path, tmp_path: Path) -> None:
    with pytest.raises(merc.MercError, match="install merc-speech"):
        Engine(session, print)
    later = merc.load(session.path, evaluate={"prompter": {"name": "conversation", "following": 1}})
    with pytest.raises(merc.MercError, match="this run is offline"):
        Engine(later, print, listener=listener)
    engine = Engine(session, Events(), listener=listener)
    with pytest.raises(merc.MercError, match="gone"):
        replay(engine, tmp_path / "gone.mp4")
    engine.stop()


def test_a_file_is_played_in_its_own_time(session: merc.Session, listener: merc.Listener, film: Path) -> None:
    engine = Engine(session, Events(), listener=listener)
    came: list[tuple[float, float]] = []
    take: Callable[[Any], bool] = engine.sound
    engine.sound = lambda samples: came.append((time.monotonic(), engine.heard)) or take(samples)  # type: ignore[method-assign,func-returns-value]
    replay(engine, film, speed=20)
    engine.stop()
    began = came[0][0]
    assert all(clock - began >= (heard / 20) - 0.02 for clock, heard in came)
    assert engine.heard == pytest.approx(9.9, abs=0.01)
