"""Noise taken out of a recording's sound, by RNNoise (Valin, 2018): a small recurrent network in a C library, which
comes with the package ``pyrnnoise``. Of that package nothing else is used."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import merc
from merc_speech.unbroken import Samples, unbroken, write_wav

INSTALL = "--no-deps pyrnnoise==0.4.5"
"""What to ``pip install``; its own dependencies, which play and draw sound, are not used."""
RATE = 48_000
"""Samples a second, as RNNoise was trained."""
FRAME = 480
"""Samples that it takes at once: 10 ms."""
DELAY = 2 * FRAME
"""By how many samples what comes out is later than what went in."""
_FULL = 32767.0
_LIBRARIES = {"darwin": "librnnoise.dylib", "win32": "rnnoise.dll"}


def denoise(recording: Path, target: Path) -> None:
    """Write the sound of a recording without its noise: WAV, mono, 16 bits, 48 kHz, whole or not at all. Times stay as
    they are; where the recording has no sound there is silence.

    Raises MercError where the package is missing, or the recording has no sound or cannot be read.
    """
    write_wav(target, Cleaner().clean(unbroken(recording, RATE)), RATE)


class Cleaner:
    """RNNoise with what it remembers of a sound. Raises MercError where the package is missing."""

    def __init__(self) -> None:
        self._library = _library()

    def clean(self, pieces: Iterator[Samples]) -> Iterator[Samples]:
        """The pieces of one sound at 48 kHz, mono from -1 to 1, without noise: as many samples as went in, though not
        in the same pieces."""
        state = self._library.rnnoise_create(None)
        try:
            left, skip, owed = np.zeros(0, np.float32), DELAY, 0
            for piece in pieces:
                owed += len(piece)
                sound = np.concatenate([left, piece])
                whole = len(sound) // FRAME * FRAME
                left = sound[whole:]
                clean = self._frames(state, sound[:whole])[skip:]
                skip = max(0, skip - whole)
                owed -= len(clean)
                yield clean
            rest = np.pad(left, (0, -len(left) % FRAME + DELAY))
            yield self._frames(state, rest)[skip : skip + owed]
        finally:
            self._library.rnnoise_destroy(state)

    def _frames(self, state: int, samples: Samples) -> Samples:
        sound = np.ascontiguousarray(samples * np.float32(_FULL))
        start = sound.ctypes.data
        for at in range(0, len(sound), FRAME):
            place = ctypes.c_void_p(start + at * sound.itemsize)
            self._library.rnnoise_process_frame(state, place, place)
        return sound / np.float32(_FULL)


@cache
def _library() -> ctypes.CDLL:
    package = find_spec("pyrnnoise")
    folders = package.submodule_search_locations if package else None
    path = Path(next(iter(folders))) / _LIBRARIES.get(sys.platform, "librnnoise.so") if folders else None
    if path is None or not path.is_file():
        raise merc.MercError(
            "noise is taken out by RNNoise, which the package pyrnnoise carries, and it is not installed; install it "
            f"with: pip install {INSTALL}"
        )
    library = ctypes.CDLL(str(path))
    library.rnnoise_create.argtypes, library.rnnoise_create.restype = [ctypes.c_void_p], ctypes.c_void_p
    library.rnnoise_destroy.argtypes = [ctypes.c_void_p]
    library.rnnoise_process_frame.argtypes = [ctypes.c_void_p] * 3
    library.rnnoise_process_frame.restype = ctypes.c_float
    library.rnnoise_get_frame_size.restype = ctypes.c_int
    size = library.rnnoise_get_frame_size()
    if size != FRAME:
        raise merc.MercError(f"{path} takes {size} samples at once; merc knows versions of RNNoise that take {FRAME}")
    return library
