"""The microphone of this machine, by PortAudio (the package sounddevice)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

import merc

RATE = 16_000
_STEP = 800


class Microphone:
    """The sound of a microphone, mono at 16 kHz, 50 ms at a time. Use it as a context.

    Args:
        device: Its number or a part of its name; None is the system's own choice.

    Raises:
        MercError: There is none, or nothing is installed that could hear it.
    """

    def __init__(self, device: str | None = None) -> None:
        self.lost = 0
        """How often sound was lost, since nobody took it in time."""
        try:
            import sounddevice
        except ImportError:
            raise merc.MercError(
                "hearing a microphone needs the package sounddevice; install it with: pip install "
                "'merc-live[microphone]', or play a file with --replay FILE"
            ) from None
        except OSError:
            raise merc.MercError(
                "sounddevice needs the library PortAudio, which is not there; install it (Debian and Ubuntu: apt "
                "install libportaudio2), or play a file with --replay FILE"
            ) from None
        self._error: type[Exception] = sounddevice.PortAudioError
        chosen = int(device) if device is not None and device.isdigit() else device
        try:
            self._stream: Any = sounddevice.InputStream(
                samplerate=RATE, blocksize=_STEP, device=chosen, channels=1, dtype="float32"
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise merc.MercError(self._why(sounddevice, device, error)) from None

    @staticmethod
    def _why(sounddevice: Any, device: str | None, error: Exception) -> str:
        names = [one["name"] for one in sounddevice.query_devices() if one["max_input_channels"] > 0]
        if not names:
            return "this machine has no microphone; play a file with --replay FILE"
        listed = ", ".join(names[:5])
        return f"the microphone {device or '(the default one)'} cannot be used: {error}; there are: {listed}"

    def __enter__(self) -> Microphone:
        try:
            self._stream.start()
        except self._error as error:
            raise merc.MercError(f"the microphone cannot be used: {error}") from None
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(self._error):  # it may be gone
            self._stream.stop()
            self._stream.close()

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        while True:
            try:
                samples, overflowed = self._stream.read(_STEP)
            except self._error as error:
                raise merc.MercError(f"the microphone is gone ({error}); what was said before is answered") from None
            self.lost += bool(overflowed)
            yield np.ascontiguousarray(samples[:, 0])
