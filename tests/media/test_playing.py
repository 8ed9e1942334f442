"""A recording in the order in which it was made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import merc
from merc.media import Want
from merc.media.decode import decode_here
from tests.media.clips import write_clip
from tests.media.late import write_late
from tests.spoken import write_wav


def test_all_pictures_and_all_sound_come_in_order(tmp_path: Path) -> None:
    film = write_late(tmp_path / "film.mkv", late=0.0, seconds=5.3)
    moments = list(merc.play(film))
    sound, pictures = decode_here(film, [Want(merc.Waveform(rate=16_000)), Want(merc.Frames(count=1000))], 0)
    assert isinstance(sound.clip, merc.AudioClip) and isinstance(pictures.clip, merc.VideoClip)
    np.testing.assert_array_equal(np.concatenate([one.audio.samples for one in moments]), sound.clip.samples)
    assert [one.start for one in moments] == pytest.approx([0.0, 2.0, 4.0])
    clips = [(one.start, one.video) for one in moments if one.video is not None]
    seen = [(start + at, frame) for start, clip in clips for at, frame in zip(clip.times, clip.frames, strict=True)]
    assert [at for at, _ in seen] == pytest.approx(pictures.clip.times.tolist(), abs=1e-3)
    np.testing.assert_array_equal(np.stack([frame for _, frame in seen]), pictures.clip.frames)


def test_sound_that_sets_in_late(tmp_path: Path) -> None:
    first = next(iter(merc.play(write_late(tmp_path / "late.mkv", late=1.5, seconds=1.0))))
    assert first.start == pytest.approx(1.5, abs=0.01) and first.audio.seconds == pytest.approx(1.0, abs=0.01)
    assert first.video is not None and len(first.video.frames) == 10


def test_sound_alone(tmp_path: Path) -> None:
    (moment,) = merc.play(write_wav(tmp_path / "a.wav", np.zeros(8_000, np.float32), 8_000))
    assert moment.video is None and moment.audio.rate == 16_000 and moment.audio.seconds == 1.0


def test_what_cannot_be_played(tmp_path: Path) -> None:
    with pytest.raises(merc.MercError, match="gone"):
        next(iter(merc.play(tmp_path / "gone.mp4")))
    silent = write_clip(tmp_path / "silent.mp4", frames=5, audio=None)
    with pytest.raises(merc.MercError, match="has no audio track"):
        next(iter(merc.play(silent)))


def test_all_sound_comes_in_windows(tmp_path: Path) -> None:
    film = write_late(tmp_path / "film.mkv", late=0.0, seconds=5.3)
    (sound,) = decode_here(film, [Want(merc.Waveform(rate=8_000))], 0)
    assert isinstance(sound.clip, merc.AudioClip)
    heard = np.concatenate([one.clip.samples for one in merc.listen(film, rate=8_000)])
    np.testing.assert_array_equal(heard, sound.clip.samples)


def test_all_pictures_come_in_stretches(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", frames=450, fps=10, audio=None)
    (whole,) = decode_here(film, [Want(merc.Frames(count=1000, size=(12, 16)))], 0)
    assert isinstance(whole.clip, merc.VideoClip)
    stretches = list(merc.watch(film, (12, 16)))
    assert [len(one.times) for one in stretches] == [200, 200, 50]
    times = np.concatenate([one.times for one in stretches])
    np.testing.assert_allclose(times, whole.clip.times, atol=1e-6)
    np.testing.assert_array_equal(np.concatenate([one.frames for one in stretches]), whole.clip.frames)


def test_what_cannot_be_listened_to_or_watched(tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "a.wav", np.zeros(8_000, np.float32), 8_000)
    with pytest.raises(merc.MercError, match=r"a\.wav has no pictures"):
        next(merc.watch(sound, (12, 16)))
    silent = write_clip(tmp_path / "silent.mp4", frames=5, audio=None)
    with pytest.raises(merc.MercError, match="has no audio track"):
        next(merc.listen(silent))
