from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.components import AudioClip, Frames, Missing, TextClip, VideoClip, Waveform, Words
from merc.conversation import Utterance
from merc.errors import MercError
from merc.media import Want, decode, decode_file
from tests.media.clips import number_of, numbers_of, pitch_of, write_clip

BOTH = {"seen": Frames(count=4), "heard": Waveform()}


def reasons(utterance: Utterance, wants=BOTH) -> list[str]:
    given = decode(utterance, wants, seed=0)
    assert all(isinstance(clip, Missing) for clip in given.values()), given
    return [clip.reason for clip in given.values()]


def test_all_modalities_of_an_utterance(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=100)
    utterance = Utterance(id="u", text="Hello.", video=path, start=1.0, end=2.0)
    given = decode(utterance, {**BOTH, "said": Words()}, seed=0)
    assert list(given) == ["seen", "heard", "said"]
    assert given["said"] == TextClip(text="Hello.")
    assert numbers_of(given["seen"].frames) == [28, 34, 40, 46]
    assert given["heard"].seconds == pytest.approx(1.0, abs=0.01)


def test_sound_of_its_own_comes_before_the_sound_of_the_video(tmp_path):
    video = write_clip(tmp_path / "a.mp4", tone=440)
    audio = write_clip(tmp_path / "a.wav", video=None, audio="pcm_s16le", tone=880, seconds=2.0)
    heard = decode(Utterance(id="u", text="", video=video, audio=audio), BOTH, seed=0)["heard"]
    assert pitch_of(heard.samples, 16_000) == pytest.approx(880, abs=2)


def test_pictures_may_come_with_the_sound_that_is_heard_meanwhile(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=100, tone=440)
    mute = write_clip(tmp_path / "mute.mp4", frames=20, audio=None)
    wants = [Want(Frames(count=4, sound=16_000), 1.0, 2.0), Want(Frames(count=4), 1.0, 2.0), Want(Waveform(), 1.0, 2.0)]
    with_sound, without, heard = (one.clip for one in decode_file(path, wants, seed=0))
    assert numbers_of(with_sound.frames) == numbers_of(without.frames) and without.sound is None
    np.testing.assert_array_equal(with_sound.sound.samples, heard.samples)
    assert with_sound.sound.rate == 16_000
    (silent,) = decode_file(mute, [Want(Frames(count=2, sound=16_000))], seed=0)
    assert silent.clip.sound is None and len(silent.clip.frames) == 2


def test_a_relative_name_with_a_colon_is_a_file(tmp_path, monkeypatch):
    write_clip(tmp_path / "a.mp4", frames=100)
    (tmp_path / "a.mp4").rename(tmp_path / "talk:1.mp4")
    monkeypatch.chdir(tmp_path)
    given = decode(Utterance(id="u", text="", video=Path("talk:1.mp4")), BOTH, seed=0)
    assert not any(isinstance(clip, Missing) for clip in given.values()), given


def test_what_the_corpus_misses(tmp_path):
    assert reasons(Utterance(id="u", text="x")) == [
        "the utterance has no video file", "the utterance has no audio file",
    ]  # fmt: skip
    missing = {"video": "clip not published", "audio": "clip not published"}
    assert reasons(Utterance(id="u", text="x", video=tmp_path / "a.mp4", missing=missing)) == ["clip not published"] * 2


def test_blank_text():
    assert reasons(Utterance(id="u", text=" \n"), {"said": Words()}) == ["the utterance has no words"]


def test_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "a.mp4"
    assert reasons(Utterance(id="u", text="x", video=path)) == [f"{path} does not exist"] * 2
    random = {"seen": Frames(count=1, strategy="random")}
    assert reasons(Utterance(id="u", text="x", video=path), random) == [f"{path} does not exist"]
    assert reasons(Utterance(id="u", text="x", video=tmp_path)) == [f"{tmp_path} is no file"] * 2


def test_files_that_are_no_media(tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("This is a diary, not a film.\n" * 200)
    said = reasons(Utterance(id="u", text="x", video=path))
    assert said[0] == said[1]
    assert said[0].startswith("notes.mp4 cannot be read as video or audio (")
    path.write_bytes(b"")
    assert reasons(Utterance(id="u", text="x", video=path)) == ["notes.mp4 is empty (0 bytes)"] * 2
    path.write_bytes(np.random.default_rng(0).bytes(20_000))
    assert "cannot be read" in reasons(Utterance(id="u", text="x", video=path))[0]


def test_a_file_that_points_to_other_files_is_not_followed(tmp_path):
    secret = write_clip(tmp_path / "secret.mp4", frames=5)
    playlist = tmp_path / "a.mp4"
    for text in (
        f"ffconcat version 1.0\nfile {secret.name}\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret.name}\n#EXT-X-ENDLIST\n",
    ):
        playlist.write_text(text)
        assert "cannot be read as video or audio" in reasons(Utterance(id="u", text="x", video=playlist))[0]


def test_sound_without_a_picture(tmp_path):
    path = write_clip(tmp_path / "a.wav", video=None, audio="pcm_s16le", seconds=1.0)
    given = decode(Utterance(id="u", text="x", video=path), BOTH, seed=0)
    assert given["seen"] == Missing("a.wav has no video track")
    assert isinstance(given["heard"], AudioClip)


@pytest.mark.parametrize(("start", "end"), [(2.0, 2.0), (3.0, 1.0), (-1.0, 2.0)])
def test_an_empty_span(tmp_path, start, end):
    path = write_clip(tmp_path / "a.mp4")
    assert (
        reasons(Utterance(id="u", text="x", video=path, start=start, end=end))
        == [f"a.mp4: the span from {start} to {end} s is empty or begins before the file"] * 2
    )


def test_one_bad_span_does_not_harm_the_others(tmp_path):
    path = write_clip(tmp_path / "a.mp4")
    wants = [Want(Frames(count=2), 0.0, 1.0), Want(Frames(count=2), 9.0, 10.0), Want(Frames(count=2), 1.0, 2.0)]
    kinds = [type(decoded.clip) for decoded in decode_file(path, wants, seed=0)]
    assert kinds == [VideoClip, Missing, VideoClip]


def test_a_random_draw_follows_the_seed_and_the_draw(tmp_path):
    path = write_clip(tmp_path / "a.mp4")
    wants = {"seen": Frames(count=6, strategy="random", draws=3)}
    utterance = Utterance(id="u", text="x", video=path)

    def drawn(seed: int, draw: int) -> list[int]:
        return numbers_of(decode(utterance, wants, seed, draw)["seen"].frames)

    assert drawn(1, 0) == drawn(1, 0)
    assert len({tuple(drawn(*how)) for how in [(1, 0), (1, 1), (2, 0)]}) == 3


def test_a_region_is_cut_out_before_the_picture_is_scaled(tmp_path):
    # of the eight columns of a numbered picture, the left half shows the lower four bits
    path = write_clip(tmp_path / "a.mp4", frames=200, size=(96, 128))
    left, right = ((at, 0.0, at + 0.5, 1.0) for at in (0.0, 0.5))
    sizes = (None, (48, 64), (336, 336))
    wants = [Want(Frames(count=200, size=size), region=region) for region in (left, right, None) for size in sizes]
    given = [decoded.clip for decoded in decode_file(path, wants, seed=0)]
    assert [clip.frames.shape[1:3] for clip in given[:4]] == [(96, 64), (48, 64), (336, 336), (96, 64)]
    for number in (0, 37, 90, 199):
        bits = [int(bit) for bit in f"{number:08b}"[::-1]]
        for half, clips in ((bits[:4], given[:3]), (bits[4:], given[3:6])):
            for clip in clips:
                middle = clip.frames[number, clip.frames.shape[1] // 2].mean(axis=1)
                assert [int(part[len(part) // 2] > 127) for part in np.array_split(middle, 4)] == half
        assert number_of(given[7].frames[number]) == number


def test_an_utterance_is_seen_in_its_region(tmp_path):
    path = write_clip(tmp_path / "a.mp4", size=(96, 128))
    said = Utterance(id="u", text="x", video=path, region=(0.25, 0.5, 1.0, 0.75))
    given = decode(said, {"seen": Frames(count=3), "heard": Waveform()}, seed=0)
    assert given["seen"].frames.shape == (3, 24, 96, 3)
    assert given["heard"].seconds == pytest.approx(2.0, abs=0.05)


def test_sound_that_is_cut_already_beside_a_span_of_a_film(tmp_path):
    film = write_clip(tmp_path / "talk.mp4", frames=100)
    sound = write_clip(tmp_path / "u.wav", video=None, audio="pcm_s16le", seconds=0.7)
    said = Utterance(id="u", text="x", video=film, audio=sound, start=2.0, end=2.4, cut=("audio",))
    given = decode(said, BOTH, seed=0)
    assert given["heard"].seconds == pytest.approx(0.7, abs=0.01)
    assert numbers_of(given["seen"].frames)[0] >= 50
    # without a sound file of its own it is heard in the film, where its span counts
    given = decode(replace(said, audio=None), BOTH, seed=0)
    assert given["heard"].seconds == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("region", [(0.5, 0.0, 0.5, 1.0), (0.0, 0.0, 1.1, 1.0), (0.0, 0.9, 1.0, 0.1), (-0.1, 0, 1, 1)])
def test_a_region_that_is_none(region):
    with pytest.raises(MercError, match=r"utterance 'u': a region is \[left, top, right, bottom\], fractions"):
        Utterance(id="u", text="x", region=region)


def test_decoding_needs_no_torch(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=5)
    code = (
        "import sys; from pathlib import Path; from merc import Frames, Waveform; import merc.features;"
        "from merc.media import Want, decode_file;"
        f"decode_file(Path({str(path)!r}), [Want(Frames(count=2)), Want(Waveform())], 0);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.data
def test_real_clips(clips_folder):
    paths = sorted(clips_folder.glob("*.mp4"))
    assert paths
    for path in paths:
        wants = {"small": Frames(count=16, size=(96, 96)), "own": Frames(count=2), "heard": Waveform()}
        given = decode(Utterance(id="u", text="x", video=path), wants, seed=0)
        assert given["small"].frames.shape == (16, 96, 96, 3)
        assert given["own"].frames.std() > 10
        assert (np.diff(given["small"].times) > 0).all()
        assert given["heard"].seconds == pytest.approx(given["small"].times[-1], abs=0.5)
        assert np.abs(given["heard"].samples).max() > 0.01
