from __future__ import annotations

import struct
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from merc.components import AudioClip, Missing, Waveform
from merc.media import Want, decode_file
from tests.media.clips import cut, pitch_of, write_clip


def sound_of(path: Path, rate: int = 16_000, start: float | None = None, end: float | None = None) -> AudioClip:
    clip = decode_file(path, [Want(Waveform(rate=rate), start, end)], seed=0)[0].clip
    assert isinstance(clip, AudioClip), clip
    return clip


def reason_of(path: Path, start: float | None = None, end: float | None = None, **how: float) -> str:
    clip = decode_file(path, [Want(Waveform(**how), start, end)], seed=0)[0].clip
    assert isinstance(clip, Missing), clip
    return clip.reason


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("a.wav", "pcm_s16le", 44_100, "stereo"),
        ("a.wav", "pcm_u8", 8_000, "mono"),
        ("a.wav", "pcm_s24le", 48_000, "stereo"),
        ("a.wav", "pcm_f32le", 16_000, "mono"),
        ("a.flac", "flac", 44_100, "stereo"),
        ("a.mp3", "libmp3lame", 44_100, "stereo"),
        ("a.mp4", "aac", 8_000, "mono"),
        ("a.mp4", "aac", 48_000, "5.1"),
        ("a.mkv", "ac3", 48_000, "5.1"),
        ("a.webm", "libopus", 48_000, "mono"),
    ],
)
def test_any_rate_and_layout_becomes_mono_at_the_wanted_rate(tmp_path, name, codec, rate, layout):
    path = write_clip(tmp_path / name, video=None, audio=codec, rate=rate, layout=layout, seconds=2.0)
    clip = sound_of(path)
    assert clip.rate == 16_000 and clip.samples.dtype == np.float32 and clip.samples.ndim == 1
    assert clip.seconds == pytest.approx(2.0, abs=0.15)
    middle = clip.samples[8_000:24_000]
    assert pitch_of(middle, 16_000) == pytest.approx(440, abs=2)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.06)


def test_several_rates_come_from_one_decode(tmp_path):
    path = write_clip(tmp_path / "a.wav", video=None, audio="pcm_s16le", seconds=1.0)
    clips = [d.clip for d in decode_file(path, [Want(Waveform(rate=rate)) for rate in (8_000, 16_000, 44_100)], 0)]
    assert [clip.rate for clip in clips] == [8_000, 16_000, 44_100]
    assert [len(clip.samples) for clip in clips] == [8_000, 16_000, 44_100]


def test_the_resampler_lets_nothing_fold_back(tmp_path):
    path = write_clip(tmp_path / "a.wav", video=None, audio="pcm_s16le", seconds=1.0, tone=11_000)
    assert np.abs(sound_of(path).samples[200:-200]).max() < 0.01


def test_no_sample_leaves_the_range(tmp_path):
    loud = (np.sign(np.sin(2 * np.pi * 441 * np.arange(44_100) / 44_100)) * 32767).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as out:
        out.setparams((1, 2, 44_100, 0, "NONE", ""))
        out.writeframes(loud.tobytes())
    assert np.abs(sound_of(tmp_path / "a.wav").samples).max() == 1.0


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp4", "aac"), ("a.mkv", "aac"),
                        ("a.mp3", "libmp3lame"), ("a.webm", "libopus")],
)  # fmt: skip
def test_a_span_is_the_same_as_that_part_of_the_whole(tmp_path, name, codec):
    path = tmp_path / name
    video = None if name[2:] in ("wav", "flac", "mp3") else "libvpx-vp9" if name.endswith("webm") else "libx264"
    write_clip(path, frames=250, video=video, audio=codec, rate=48_000)
    whole, part = sound_of(path, 48_000).samples, sound_of(path, 48_000, 4.0, 6.5).samples
    assert len(part) == 120_000
    # Matroska's clock ticks in milliseconds: a seek lands within one of them.
    shifts = range(-60, 61) if name.endswith(("mkv", "webm")) else [0]
    inner = part[3_000:117_000]
    assert min(np.abs(inner - whole[195_000 + by : 309_000 + by]).max() for by in shifts) < 0.02


def test_no_audio_track(tmp_path):
    assert reason_of(write_clip(tmp_path / "a.mp4", audio=None)) == "a.mp4 has no audio track"


def test_twenty_milliseconds(tmp_path):
    path = write_clip(tmp_path / "a.wav", video=None, audio="pcm_s16le", seconds=0.02)
    assert reason_of(path) == "a.wav: 0.02 s of audio; at least 0.10 s are needed"
    assert reason_of(path, min_seconds=0.5) == "a.wav: 0.02 s of audio; at least 0.50 s are needed"


def test_zero_length(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
    assert "holds no sound" in reason_of(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.mp4", "aac"), ("a.mkv", "aac"),
     ("a.avi", "libmp3lame")],
)  # fmt: skip
def test_sound_that_is_cut_short_is_reported_and_its_whole_spans_are_not(tmp_path, name, codec):
    video = {"a.mp4": "libx264", "a.mkv": "libx264", "a.avi": "mpeg4"}.get(name)
    container = {"movflags": "faststart"} if name.endswith("mp4") else None
    whole = write_clip(tmp_path / name, frames=200, video=video, audio=codec, container=container)
    path = cut(whole, tmp_path / f"cut_{name}")
    assert reason_of(path).startswith(f"cut_{name} is cut short or damaged: its audio ends at ")
    assert sound_of(path, 16_000, 0.5, 1.5).seconds == pytest.approx(1.0, abs=0.01)
    assert reason_of(path, 1.0, 7.0).startswith(f"cut_{name}: the span 1.00-7.00 s holds only ")


def test_a_span_beyond_the_end(tmp_path):
    path = write_clip(tmp_path / "a.wav", video=None, audio="pcm_s16le", seconds=2.0)
    assert reason_of(path, 1.0, 3.0) == (
        "a.wav: the span 1.00-3.00 s holds only 1.00 s of audio; the audio ends at 2.00 s"
    )
    assert sound_of(path, 16_000, 1.0, 2.05).seconds == pytest.approx(1.0, abs=0.01)  # ends are noted roughly


def test_sound_that_is_shorter_than_the_picture_is_no_fault(tmp_path):
    for name in ("a.mp4", "a.mkv"):
        path = write_clip(tmp_path / name, frames=100, seconds=2.0)
        assert sound_of(path).seconds == pytest.approx(2.0, abs=0.1)


def test_a_recording_of_unstated_length(tmp_path):
    path = tmp_path / "a.webm"
    write_clip(path, video="libvpx-vp9", audio="libopus", rate=48_000, container={"live": "1"})
    with av.open(str(path)) as container:
        assert container.duration is None
    assert sound_of(path).seconds == pytest.approx(2.0, abs=0.1)


def test_a_wav_that_was_written_to_a_pipe_states_no_length(tmp_path):
    path = write_clip(tmp_path / "a.wav", video=None, audio="pcm_s16le", seconds=1.0)
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[at + 4 : at + 8] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(data)
    assert sound_of(path).seconds == pytest.approx(1.0, abs=0.01)


def test_an_mp3_without_a_count_of_its_frames_is_not_called_short(tmp_path):
    # Its length is guessed from the first frames: quiet ones, which are small, then others.
    path = write_clip(tmp_path / "a.mp3", video=None, audio="libmp3lame", seconds=3.0, container={"write_xing": "0"})
    assert sound_of(path).seconds == pytest.approx(3.0, abs=0.1)


def test_a_gap_in_the_sound_is_reported(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for second in (0, 1, 4, 5):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), "int16"), format="s16", layout="mono")
            frame.rate, frame.pts = 16_000, second * 16_000
            out.mux(sound.encode(frame))
        out.mux(sound.encode())
    assert reason_of(path) == "a.mkv: 4.00 s of audio could be decoded of 6.00 s"
    assert reason_of(path, 1.0, 5.0).startswith("a.mkv: the span 1.00-5.00 s holds only 2.00 s of audio")
