"""The sound of a whole file in windows: what the windows hold, when they begin, and what is said of bad files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from merc.components import SoundWindow
from merc.media import Decoders
from merc.media.audio import read_audio
from merc.media.container import Unreadable, opened
from tests.media.clips import write_clip
from tests.media.late import write_late


def heard(path: Path, rate: int = 16_000, seconds: float = 1.0) -> tuple[list[SoundWindow], str]:
    """The windows of a file, and what is said after them."""
    windows = []
    try:
        for window in Decoders().listen(path, rate, seconds):
            windows.append(window)
    except Unreadable as error:
        return windows, str(error)
    return windows, ""


@pytest.mark.parametrize("name", ["talk.mp4", "talk.mkv", "talk.wav"])
def test_windows_hold_the_sound_without_a_gap(tmp_path: Path, name: str) -> None:
    wav = name.endswith("wav")
    clip = write_clip(tmp_path / name, video=None if wav else "libx264", audio="pcm_s16le" if wav else "aac", frames=90)
    windows, fault = heard(clip, rate=44_100)
    with opened(clip) as media:
        whole, rate = read_audio(media, None, None)
    assert (fault, rate) == ("", 44_100) and len(windows) >= 4
    assert np.array_equal(np.concatenate([one.clip.samples for one in windows]), np.clip(whole, -1, 1))
    for one, after in pairwise(windows):
        assert 1.0 <= one.clip.seconds < 1.1 and abs(after.start - one.end) < 1e-3


def test_sound_that_sets_in_after_the_picture_begins_later(tmp_path: Path) -> None:
    windows, fault = heard(write_late(tmp_path / "late.mkv", late=2.0, seconds=3.0))
    assert fault == "" and windows[0].start == pytest.approx(2.0, abs=0.01)
    assert windows[-1].end == pytest.approx(5.0, abs=0.05)
    # the sound is one frame of three seconds in this file
    assert [round(one.clip.seconds, 1) for one in windows] == [1.0, 1.0, 1.0]


def test_a_span_and_the_whole_of_late_sound_can_be_read(tmp_path: Path) -> None:
    with opened(write_late(tmp_path / "late.mkv", late=2.0, seconds=3.0)) as media:
        for start, end, seconds in ((None, None, 3.0), (2.5, 4.0, 1.5)):
            samples, rate = read_audio(media, start, end)
            assert len(samples) / rate == pytest.approx(seconds, abs=0.05)


def test_a_torn_file_gives_what_it_has_and_says_what_it_lacks(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "torn.wav", video=None, audio="pcm_s16le", frames=100)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    windows, fault = heard(clip)
    assert sum(one.clip.seconds for one in windows) == pytest.approx(2.0, abs=0.05)
    assert (
        "torn.wav is cut short or damaged: its audio ends at 2.0" in fault and "of the 4.00 s that it states" in fault
    )


def test_a_file_without_sound_says_so_at_once(tmp_path: Path) -> None:
    assert heard(write_clip(tmp_path / "mute.mp4", audio=None)) == ([], "mute.mp4 has no audio track")


def test_a_decoder_that_dies_costs_what_comes_after(tmp_path: Path) -> None:
    decoders = Decoders()
    windows = decoders.listen(write_clip(tmp_path / "talk.mp4", frames=150), 16_000, 1.0)
    first = next(windows)
    decoders.stop()
    with pytest.raises(Unreadable, match=r"talk\.mp4: its decoder crashed"):
        list(windows)
    assert first.clip.seconds >= 1.0


def test_whoever_stops_listening_holds_no_decoder(tmp_path: Path) -> None:
    decoders = Decoders()
    windows = decoders.listen(write_clip(tmp_path / "talk.mp4"), 16_000, 0.5)
    next(windows)
    assert decoders._busy
    windows.close()  # type: ignore[attr-defined]
    assert not decoders._busy
