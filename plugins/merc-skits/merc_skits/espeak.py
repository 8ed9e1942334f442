"""Speech from espeak-ng, the same for the same words and settings wherever it is asked for."""

from __future__ import annotations

import _ctypes
import ctypes
import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_SYNCHRONOUS = 2
_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4


@dataclass(frozen=True)
class Manner:
    """How espeak-ng is told to speak: its voice, words a minute, and pitch and its range from 0 to 99."""

    voice: str
    rate: int
    pitch: int
    range: int


def speak(text: str, manner: Manner) -> tuple[npt.NDArray[np.float32], int]:
    """Speech as samples in -1..1, mono, and their rate in Hz. One call at a time in a process.

    The library keeps the state of its generators from one text to the next, so it is loaded afresh each time: what
    comes out depends on nothing but the arguments.
    """
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    parts: list[bytes] = []

    @_CALLBACK
    def keep(samples: int | None, count: int, events: int | None) -> int:
        if samples and count > 0:
            parts.append(ctypes.string_at(samples, 2 * count))
        return 0

    try:
        rate = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
        if rate <= 0:
            raise RuntimeError(f"espeak-ng did not start (error {rate}) with {espeakng_loader.get_data_path()}")
        library.espeak_SetSynthCallback(keep)
        if library.espeak_SetVoiceByName(manner.voice.encode()):
            raise RuntimeError(f"espeak-ng has no voice {manner.voice!r}")
        for parameter, value in ((_RATE, manner.rate), (_PITCH, manner.pitch), (_RANGE, manner.range)):
            library.espeak_SetParameter(parameter, value, 0)
        words = text.encode() + b"\0"
        size = ctypes.c_size_t(len(words))
        if library.espeak_Synth(words, size, 0, 0, 0, _UTF8, None, None) or library.espeak_Synchronize():
            raise RuntimeError(f"espeak-ng could not say {text!r}")
    finally:
        library.espeak_Terminate()
        if sys.platform != "win32":
            _ctypes.dlclose(library._handle)
    return np.frombuffer(b"".join(parts), "<i2").astype(np.float32) / 32768, int(rate)
