"""A file that is played as if it came from a microphone and a camera."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import merc
from merc_live.engine import Engine

RATE = 16_000
_STEP = 0.05
_AHEAD = 2


def replay(engine: Engine, path: Path, speed: float = 1.0) -> None:
    """Give an engine a file's sound and pictures, each when its time has come.

    Where the file has no sound, as where its picture sets in earlier, there is silence.

    Args:
        engine: Takes sound at 16 kHz.
        path: A file with sound.
        speed: How many times as fast as it was recorded; 0 is as fast as it is answered.

    Raises:
        MercError: The file cannot be read, or, when what is sound was played, is damaged.
    """
    began: float | None = None
    for start, samples, pictures in _pieces(path):
        began = time.monotonic() if began is None else began
        if (gap := round(start * RATE) - round(engine.heard * RATE)) > 0:
            samples = np.concatenate([np.zeros(gap, np.float32), samples])
        for at, picture in pictures:
            engine.picture(at, picture)
        if speed:
            ends = (engine.heard + len(samples) / RATE) / speed
            time.sleep(max(began + ends - time.monotonic(), 0.0))
        if not engine.sound(samples):
            return


def _pieces(path: Path) -> Iterator[tuple[float, np.ndarray, list[tuple[float, np.ndarray]]]]:
    """The file in pieces of 50 ms, each with its pictures. Decoding runs a few seconds ahead."""
    size = round(_STEP * RATE)
    for moment in _ahead(path):
        seen = moment.video
        # Times of containers are multiples of a microsecond at least; sums of them are not quite.
        times = [] if seen is None else np.round(moment.start + seen.times, 6).tolist()
        pictures = [] if seen is None else list(zip(times, seen.frames, strict=True))
        for first in range(0, len(moment.audio.samples), size):
            start, samples = moment.start + first / RATE, moment.audio.samples[first : first + size]
            end = start + len(samples) / RATE
            last = first + size >= len(moment.audio.samples)
            within = [(float(at), picture) for at, picture in pictures if (at < end or last)]
            pictures = pictures[len(within) :]
            yield start, samples, within


def _ahead(path: Path) -> Iterator[merc.Moment]:
    moments: queue.Queue[merc.Moment | Exception | None] = queue.Queue(_AHEAD)
    over = threading.Event()

    def give(one: merc.Moment | Exception | None) -> bool:
        while not over.is_set():
            try:
                moments.put(one, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def decode() -> None:
        try:
            for moment in merc.play(path, RATE):
                if not give(moment):
                    return
            give(None)
        except Exception as error:
            give(error)

    threading.Thread(target=decode, name="merc-live-decoding", daemon=True).start()
    try:
        while (one := moments.get()) is not None:
            if isinstance(one, Exception):
                raise one
            yield one
    finally:
        over.set()
