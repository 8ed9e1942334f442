"""The microphone: the errors when it is busy, and when it is taken away."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from merc_live.microphone import Microphone

import merc


class PortAudioError(Exception):
    """What sounddevice raises."""


class Stream:
    """A microphone that gives three pieces of sound, and then is taken away."""

    busy = False

    def __init__(self, **_: Any) -> None:
        self.pieces: Iterator[int] = iter(range(3))

    def start(self) -> None:
        if self.busy:
            raise PortAudioError("Device unavailable")

    def read(self, count: int) -> tuple[np.ndarray, bool]:
        if next(self.pieces, None) is None:
            raise PortAudioError("Error reading from InputStream: Device unavailable")
        return np.zeros((count, 1), np.float32), False

    def stop(self) -> None:
        raise PortAudioError("gone")

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(PortAudioError=PortAudioError, InputStream=Stream, query_devices=lambda: [])
    monkeypatch.setitem(sys.modules, "sounddevice", module)


def test_one_that_goes_away_is_said() -> None:
    pieces = []
    with pytest.raises(merc.MercError, match=r"the microphone is gone \(Error reading"), Microphone() as microphone:
        for piece in microphone:
            pieces.append(piece)
    assert len(pieces) == 3


def test_one_that_is_busy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stream, "busy", True)
    with pytest.raises(merc.MercError, match="the microphone cannot be used: Device unavailable"), Microphone():
        pass
