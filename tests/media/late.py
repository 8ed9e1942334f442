"""A clip whose sound sets in after its picture, as some recorders write it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from tests.media.clips import numbered


def write_late(
    path: Path, *, late: float, seconds: float = 3.0, sound: npt.NDArray[np.float32] | None = None, rate: int = 16_000
) -> Path:
    """Pictures from the start, and ``sound`` (by default a tone of so many seconds) from ``late`` seconds on."""
    if sound is None:
        sound = (0.4 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)).astype("float32")
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("libx264", rate=10)
        pictures.height, pictures.width = 48, 64
        pictures.pix_fmt = "yuv420p"
        track = out.add_stream("pcm_s16le", rate=rate, layout="mono")
        for index in range(round((late + len(sound) / rate) * 10)):
            out.mux(pictures.encode(av.VideoFrame.from_ndarray(numbered(index, (48, 64)), format="rgb24")))
        out.mux(pictures.encode())
        frame = av.AudioFrame.from_ndarray((sound * 32767).astype("<i2")[None], format="s16", layout="mono")
        frame.rate, frame.pts, frame.time_base = rate, round(late * rate), Fraction(1, rate)
        out.mux(track.encode(frame))
        out.mux(track.encode())
    return path
