"""Sound without gaps, and files of sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from merc_speech.unbroken import unbroken, write_wav

import merc


def test_what_is_written_is_read_again_and_what_is_too_loud_is_cut_off(tmp_path: Path) -> None:
    pieces = [np.full(800, 0.5, np.float32), np.full(800, -2.0, np.float32)]
    write_wav(tmp_path / "a.wav", pieces, 16_000)
    sound = np.concatenate(list(unbroken(tmp_path / "a.wav", 16_000)))
    assert np.allclose(sound, [*[0.5] * 800, *[-1.0] * 800], atol=1e-4)


def test_where_there_is_no_sound_there_is_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = merc.AudioClip(samples=np.ones(4, np.float32), rate=8)
    windows = [merc.SoundWindow(start=0.5, clip=one), merc.SoundWindow(start=1.25, clip=one)]
    monkeypatch.setattr(merc, "listen", lambda path, rate: iter(windows), raising=False)
    sound = np.concatenate(list(unbroken(tmp_path / "a.wav", 8)))
    assert sound.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 2 + [1.0] * 4


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def pieces():
        yield np.zeros(4, np.float32)
        raise ValueError("the sound ends here")

    with pytest.raises(ValueError, match="ends here"):
        write_wav(tmp_path / "a.wav", pieces(), 8)
    assert not list(tmp_path.iterdir())
