"""A recording's sound without gaps, and files of sound: WAV, mono, 16 bits."""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

import merc

Samples = npt.NDArray[np.float32]
_FULL = 32767


def unbroken(recording: Path, rate: int) -> Iterator[Samples]:
    """The sound of a recording from its beginning, mono at ``rate`` Hz, in pieces; where it has none there is silence.

    Raises MercError where the recording has no sound or cannot be read.
    """
    length = 0
    for window in merc.listen(recording, rate):
        gap = max(round(window.start * rate) - length, 0)
        if gap:
            yield np.zeros(gap, np.float32)
        yield window.clip.samples
        length += gap + len(window.clip.samples)


def write_wav(path: Path, pieces: Iterable[Samples], rate: int) -> None:
    """Write pieces of sound, from -1 to 1, into a file, whole or not at all; what is louder is cut off at 1."""
    with merc.whole_file(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for samples in pieces:
            file.writeframes((np.clip(samples, -1, 1) * _FULL).astype("<i2").tobytes())
