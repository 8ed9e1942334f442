"""Every ending that is taken for a recording's is of a form that is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.components import AudioClip, Frames, VideoClip, Waveform
from merc.files import AUDIO_ENDINGS, VIDEO_ENDINGS
from merc.media import Want, decode_file
from merc.session.inputs import is_clip
from tests.media.clips import write_clip

VIDEO = {".webm": "libvpx", ".flv": "flv", ".wmv": "wmv2", ".mpg": "mpeg2video", ".mpeg": "mpeg2video"}
SOUND = {
    ".webm": "libopus", ".opus": "libopus", ".ogg": "libopus", ".oga": "flac", ".wav": "pcm_s16le", ".flac": "flac",
    ".mp3": "libmp3lame", ".aiff": "pcm_s16be", ".aif": "pcm_s16be", ".wma": "libmp3lame", ".wmv": "libmp3lame",
    ".mpg": "mp2", ".mpeg": "mp2", ".flv": "libmp3lame",
}  # fmt: skip


@pytest.mark.parametrize("ending", VIDEO_ENDINGS)
def test_pictures_and_sound(tmp_path: Path, ending: str) -> None:
    path = write_clip(
        tmp_path / f"a{ending.upper()}", frames=50, video=VIDEO.get(ending, "libx264"), audio=SOUND.get(ending, "aac"),
        rate=44_100 if ending == ".flv" else 48_000,
    )  # fmt: skip
    seen, heard = decode_file(path, [Want(Frames(count=3)), Want(Waveform())], seed=0)
    assert is_clip(path)
    assert isinstance(seen.clip, VideoClip) and len(seen.clip.frames) == 3
    assert isinstance(heard.clip, AudioClip) and heard.clip.seconds == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("ending", AUDIO_ENDINGS)
def test_sound_alone(tmp_path: Path, ending: str) -> None:
    path = write_clip(tmp_path / f"a{ending}", video=None, audio=SOUND.get(ending, "aac"), rate=48_000, seconds=2.0)
    (heard,) = decode_file(path, [Want(Waveform())], seed=0)
    assert is_clip(path)
    assert isinstance(heard.clip, AudioClip) and heard.clip.seconds == pytest.approx(2.0, abs=0.2)
