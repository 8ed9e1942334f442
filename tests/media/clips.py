"""Real media files for tests, written with PyAV. Every frame shows its own number, every sound is a tone."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

BITS = 8


def write_clip(
    path: Path,
    *,
    frames: int = 50,
    fps: int = 25,
    size: tuple[int, int] = (48, 64),
    video: str | None = "libx264",
    audio: str | None = "aac",
    rate: int = 44_100,
    layout: str = "stereo",
    seconds: float | None = None,
    times: Sequence[float] | None = None,
    gop: int = 12,
    tone: float = 440.0,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """Write a clip of ``frames`` numbered frames and a tone of ``seconds`` (default: as long as the frames)."""
    with _same_priority(), av.open(str(path), "w", options=container or {}) as out:
        if video:
            pictures = out.add_stream(video, rate=fps, options=options or {})
            pictures.height, pictures.width = size
            pictures.pix_fmt = "yuv420p"
            pictures.codec_context.gop_size = gop
            if times is not None:
                pictures.codec_context.time_base = pictures.time_base = Fraction(1, 1000)
        if audio:
            sound = out.add_stream(audio, rate=rate, layout=layout)
        if video:
            for index in range(len(times) if times is not None else frames):
                frame = av.VideoFrame.from_ndarray(numbered(index, size), format="rgb24")
                if times is not None:
                    frame.pts, frame.time_base = round(times[index] * 1000), Fraction(1, 1000)
                out.mux(pictures.encode(frame))
            out.mux(pictures.encode())
        if audio:
            _tone(out, sound, rate, layout, frames / fps if seconds is None else seconds, tone)
    return path


@contextmanager
def _same_priority() -> Iterator[None]:
    """Keep the calling thread's priority: SVT-AV1, where root runs it, makes it a real-time thread for good, and all
    that it starts later, and on a machine of two cores little else would run."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    yield
    if os.sched_getscheduler(0) != policy:
        os.sched_setscheduler(0, policy, parameters)


def _tone(
    out: av.container.OutputContainer, sound: av.AudioStream, rate: int, layout: str, seconds: float, tone: float
):
    wave = (0.5 * np.sin(2 * np.pi * tone * np.arange(round(seconds * rate)) / rate)).astype("float32")
    channels = len(av.AudioLayout(layout).channels)
    block = sound.codec_context.frame_size or 1024
    convert = av.AudioResampler(format=sound.codec_context.format.name, layout=layout, rate=rate)
    for at in range(0, len(wave), block):
        piece = np.ascontiguousarray(np.tile(wave[at : at + block], (channels, 1)))
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
        frame.rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        for converted in convert.resample(frame):
            out.mux(sound.encode(converted))
    out.mux(sound.encode())


def numbered(index: int, size: tuple[int, int] = (48, 64)) -> npt.NDArray[np.uint8]:
    """A picture that shows a number as eight columns, black or white, the lowest bit on the left."""
    height, width = size
    picture = np.zeros((height, width, 3), np.uint8)
    for bit in range(BITS):
        if index >> bit & 1:
            picture[:, bit * width // BITS : (bit + 1) * width // BITS] = 255
    return picture


def number_of(picture: npt.NDArray[np.uint8]) -> int:
    """The number that a picture shows, whatever its size."""
    middle = picture[picture.shape[0] // 2].mean(axis=1)
    width = len(middle)
    return sum(1 << bit for bit in range(BITS) if middle[(2 * bit + 1) * width // (2 * BITS)] > 127)


def numbers_of(frames: npt.NDArray[np.uint8]) -> list[int]:
    return [number_of(frame) for frame in frames]


def pitch_of(samples: npt.NDArray[np.float32], rate: int) -> float:
    """The strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def cut(path: Path, target: Path, share: float = 0.5) -> Path:
    """Write the beginning of a file, as a broken download would leave it."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def turn(path: Path, target: Path) -> Path:
    """Make an MP4 ask for a quarter turn clockwise, as a phone that is held upright does."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    assert struct.unpack(">9i", data[matrix : matrix + 36])[0] == 1 << 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    target.write_bytes(data)
    return target
