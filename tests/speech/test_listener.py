"""A recording as it is heard, by the example components: loud parts are speech, and each is a "la"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import merc
from merc.speech import Listener
from merc.testing.examples import segmenter, transcriber
from tests.media.late import write_late

RATE = 16_000


def sound(*parts: float) -> np.ndarray:
    """Tones of so many seconds; a negative number is a silence."""
    return np.concatenate(
        [
            np.zeros(round(-s * RATE)) if s < 0 else 0.4 * np.sin(2 * np.pi * 300 * np.arange(round(s * RATE)) / RATE)
            for s in parts
        ]
    ).astype("float32")


@dataclass(frozen=True, kw_only=True)
class Together(transcriber.Example):
    """Hears several spans at once, and is not sure of short ones."""

    def passage(self) -> float:
        return 10.0

    def load(self, device: str) -> merc.TranscribeFunction:
        hear = super().load(device)

        def transcribe(clips: Sequence[merc.AudioClip]) -> list[merc.Transcript | merc.Missing]:
            return [_judged(one) for one in hear(clips)]

        return transcribe


def _judged(one: merc.Transcript | merc.Missing) -> merc.Transcript | merc.Missing:
    if isinstance(one, merc.Missing):
        return one
    words = [
        merc.Word(text=w.text, start=w.start, end=w.end, probability=0.9 if w.end - w.start > 1 else 0.4)
        for w in one.words
    ]
    return merc.Transcript(words=tuple(words), language="en")


@dataclass(frozen=True, kw_only=True)
class AllAtOnce(segmenter.Example):
    """Gives its spans when all is heard, with a speaker for each."""

    def load(self, device: str) -> merc.SegmentFunction:
        hear = super().load(device)

        def segment(windows: Iterable[merc.SoundWindow]) -> Iterator[merc.SpeechSpan]:
            for number, one in enumerate(list(hear(windows))):
                yield merc.SpeechSpan(start=one.start, end=one.end, speaker="AB"[number % 2], unsure="a cold")

        return segment


def listener(**parts: object) -> Listener:
    return Listener(**{"segmenter": segmenter.Example(), "transcriber": transcriber.Example(), **parts})  # type: ignore[arg-type]


def test_utterances_have_times_of_the_recording_and_its_media(tmp_path: Path) -> None:
    film = write_late(tmp_path / "talk.mkv", late=2.0, sound=sound(-1, 1, -1, 2, -1))
    hearing = listener().hear(film)
    utterances = list(hearing)
    assert [(u.id, u.text, u.start, u.end) for u in utterances] == [
        ("talk_u0", "la", 3.0, 4.0),
        ("talk_u1", "la", 5.0, 7.0),
    ]
    assert {(u.video, u.audio) for u in utterances} == {(film, None)}
    assert utterances[0].extra == {"transcription": {"words": [["la", 3.0, 4.0, None]]}}
    assert hearing.notes() == ["talk.mkv: 2 utterances; 3.0 of 6.0 s are without speech"]


def test_what_is_unsure_is_counted(tmp_path: Path) -> None:
    film = write_late(tmp_path / "talk.mkv", late=0.0, sound=sound(0.5, -1, 2, -1))
    hearing = listener(segmenter=AllAtOnce(), transcriber=Together()).hear(film, name="t")
    utterances = list(hearing)
    assert [(u.speaker, u.extra["transcription"]["confidence"]) for u in utterances] == [("A", 0.4), ("B", 0.9)]
    assert hearing.notes() == [
        "talk.mkv: 2 utterances of 2 speakers; 2.0 of 4.5 s are without speech",
        "talk.mkv: 2 of 2 utterances are: a cold",
        "talk.mkv: 1 of 2 words are unsure (less probable than 0.5)",
    ]


def test_hearing_goes_on_after_what_is_there(tmp_path: Path) -> None:
    film = write_late(tmp_path / "talk.mkv", late=0.0, sound=sound(1, -1, 1, -1, 1, -1))
    whole = list(listener().hear(film).passages())
    rest = list(listener().hear(film, skip=1, count=1))
    assert [one for heard in whole[1:] for one in heard.utterances] == rest


@dataclass(frozen=True, kw_only=True)
class AtOnce(segmenter.Example):
    """Two who speak at once: A all the time, B twice meanwhile."""

    def load(self, device: str) -> merc.SegmentFunction:
        hear = super().load(device)

        def segment(windows: Iterable[merc.SoundWindow]) -> Iterator[merc.SpeechSpan]:
            for _ in hear(windows):
                pass
            for start, end, speaker in ((0.0, 6.0, "A"), (2.0, 3.0, "B"), (4.0, 5.0, "B"), (7.0, 8.0, "A")):
                yield merc.SpeechSpan(start=start, end=end, speaker=speaker)

        return segment


def test_hearing_goes_on_within_what_another_says(tmp_path: Path) -> None:
    film = write_late(tmp_path / "talk.mkv", late=0.0, sound=sound(8))
    whole = list(listener(segmenter=AtOnce()).hear(film))
    assert [(u.start, u.end, u.speaker) for u in whole] == [(0, 6, "A"), (2, 3, "B"), (4, 5, "B"), (7, 8, "A")]
    assert list(listener(segmenter=AtOnce()).hear(film, skip=1, count=1)) == whole[1:]


def test_silence_has_no_utterance_and_says_so(tmp_path: Path) -> None:
    hearing = listener().hear(write_late(tmp_path / "talk.mkv", late=0.0, sound=sound(-3)))
    assert list(hearing) == []
    assert hearing.notes() == ["talk.mkv: no speech was heard in 3.0 s of sound"]


def test_what_a_torn_recording_has_is_heard(tmp_path: Path) -> None:
    film = write_late(tmp_path / "talk.mkv", late=0.0, sound=sound(1, -1, 1, -1))
    wav = tmp_path / "talk.wav"
    _to_wav(film, wav)
    wav.write_bytes(wav.read_bytes()[:-RATE])  # half a second of two bytes a sample
    hearing = listener().hear(wav)
    assert len(list(hearing)) == 2
    assert "is cut short or damaged" in hearing.notes()[-1] and "what was heard before is there" in hearing.notes()[-1]


def test_a_recording_without_a_sound_track_is_refused(tmp_path: Path) -> None:
    from tests.media.clips import write_clip

    with pytest.raises(merc.MercError, match=r"mute\.mp4 has no audio track, so nothing is heard in it"):
        listener().hear(write_clip(tmp_path / "mute.mp4", audio=None))


def test_progress_grows_to_the_end(tmp_path: Path) -> None:
    shares: list[float] = []
    film = write_late(tmp_path / "talk.mkv", late=0.0, sound=sound(1, -1, 1, -1))
    list(listener().hear(film, progress=lambda share, text: shares.append(share)))
    assert shares[0] == 0.0 and shares == sorted(shares) and shares[-1] == 1.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"segmenter": "nobody"}, "unknown segmenter 'nobody'"),
        ({"segmenter": 3}, r"segmenter is int; give a merc\.Segmenter, or a name and parameters"),
        ({"transcriber": "a 'b"}, r"transcriber \"a 'b\": No closing quotation"),
    ],
)
def test_what_is_no_component_is_said(given: dict[str, object], said: str) -> None:
    with pytest.raises(merc.MercError, match=said):
        listener(**given)


def test_without_a_default_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from merc.registry import Registry
    from merc.speech import listener as module

    monkeypatch.setenv("MERC_PLUGINS", "")
    monkeypatch.setattr(module, "get_registry", lambda: Registry.discover())
    with pytest.raises(merc.MercError, match=r"no segmenter is installed, .* install merc-speech"):
        Listener()


def _to_wav(source: Path, target: Path) -> None:
    import wave

    from merc.media.audio import read_audio
    from merc.media.container import opened

    with opened(source) as media:
        samples, rate = read_audio(media, None, None)
    with wave.open(str(target), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
