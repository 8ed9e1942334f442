"""A recording that a session answers while it hears it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import merc
from merc.registry import get_registry
from merc.session.journal import Journal
from merc.session.recording import Once, must_be_whole
from merc.speech import Listener
from merc.testing.examples import segmenter, transcriber
from tests.cli.test_predict_recordings import tones
from tests.media.late import write_late
from tests.registry.distributions import Distribution, install
from tests.senses import install_senses


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The plugin of ``tests.senses`` in this process, and a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(install_senses(tmp_path_factory.mktemp("here"))))
        patch.setenv("MERC_PLUGINS", "tiny")
        patch.setenv("MERC_CACHE", str(tmp_path_factory.mktemp("cache")))
        get_registry.cache_clear()
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "merc_tiny"]:
        del sys.modules[name]
    get_registry.cache_clear()


def test_it_says_what_the_same_conversation_gets(trained: Path, tmp_path: Path) -> None:
    """Blocks of a recording, with all before them, are what the whole conversation is."""
    film = write_late(tmp_path / "talk.mkv", late=0.0, sound=tones(4))
    session = merc.load(trained)
    listener = Listener(segmenter.Example(), transcriber.Example())
    heard = session.predict(film, listener=listener)
    talk = merc.Conversation(id="talk", utterances=tuple(listener.hear(film)))
    whole = session.predict(talk)
    assert [one.id for one in heard] == [one.id for one in whole] and len(heard) == 4
    for one, other in zip(heard, whole, strict=True):
        assert one.label == other.label and one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_who_speaks_is_what_is_said_where_nobody_hears_it(trained: Path, tmp_path: Path) -> None:
    film = write_late(tmp_path / "talk.mkv", late=0.0, sound=tones(2))
    session = merc.load(trained)
    listener = Listener(segmenter.Example(), transcriber.Example())
    assert [one.speaker for one in session.predict(film, listener=listener, speaker="Ann")] == ["Ann", "Ann"]


def test_the_first_answer_comes_before_all_is_heard(trained: Path, tmp_path: Path) -> None:
    long = write_late(tmp_path / "long.mkv", late=0.0, sound=tones(60))
    windows: list[merc.SoundWindow] = []

    class Counted(segmenter.Example):
        def load(self, device: str) -> merc.SegmentFunction:
            hear = super().load(device)

            def counted(given: Iterable[merc.SoundWindow]) -> Iterator[merc.SoundWindow]:
                for one in given:
                    windows.append(one)
                    yield one

            return lambda given: hear(counted(given))

    answers = merc.load(trained).predict_iter(long, listener=Listener(Counted(), transcriber.Example()))
    first = next(answers)
    assert first.id == "long_u0" and len(windows) < 4
    assert len(list(answers)) == 59 and len(windows) == 4


def test_what_is_said_in_every_block_is_said_once() -> None:
    said: list[str] = []

    class Kept:
        def say(self, sentence: str) -> None:
            said.append(sentence)

    once = Once(Journal(Kept()))  # type: ignore[arg-type]
    for sentence in ("seen: u0: no face", "heard: u1: silent", "seen: u0: no face"):
        once.say(sentence)
    assert said == ["seen: u0: no face", "heard: u1: silent"]


def test_a_history_of_labels_wants_the_whole_recording() -> None:
    assert must_be_whole("predicted", []) and not must_be_whole(None, [])


EARS = """\
import merc

@merc.hookimpl
def register_segmenters(register):
    register("default", "merc_ears.parts:Loud")

@merc.hookimpl
def register_transcribers(register):
    register("default", "merc_ears.parts:La")
"""

PARTS = """\
import threading
import time
from dataclasses import dataclass

from merc.testing.examples import segmenter, transcriber

LOADED = []
WORKING = []
TOGETHER = []


@dataclass(frozen=True, kw_only=True)
class Loud(segmenter.Example):
    def load(self, device):
        LOADED.append("segmenter")
        time.sleep(0.05)
        return super().load(device)


@dataclass(frozen=True, kw_only=True)
class La(transcriber.Example):
    def load(self, device):
        LOADED.append("transcriber")
        hear = super().load(device)

        def transcribe(clips):
            WORKING.append(threading.get_ident())
            TOGETHER.append(len(WORKING))
            time.sleep(0.01)
            WORKING.pop()
            return hear(clips)

        return transcribe
"""


def test_what_hears_is_loaded_once_whoever_asks(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(install([Distribution("ears", EARS, {"parts.py": PARTS})], tmp_path)))
    monkeypatch.setenv("MERC_PLUGINS", "tiny,ears")
    get_registry.cache_clear()
    film = write_late(tmp_path / "talk.mkv", late=0.0, sound=tones(3))
    session = merc.load(trained)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: session.predict(film), range(4)))
    again = session.changed(session.setup, session.journal).predict(film)
    texts = [[(one.id, one.text, one.label) for one in answer] for answer in (*answers, again)]
    assert len(texts[0]) == 3 and all(one == texts[0] for one in texts)

    from merc_ears import parts  # type: ignore[import-not-found]

    assert sorted(parts.LOADED) == ["segmenter", "transcriber"]
    assert set(parts.TOGETHER) == {1}
    get_registry.cache_clear()
