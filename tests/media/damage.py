"""Damage of the kind that ends a decoder's process."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt


def boxes(data: bytes, name: bytes) -> list[int]:
    """Where the contents of the boxes of an MP4 that have a name begin."""
    found, at = [], data.find(name)
    while at >= 0:
        found.append(at + 4)
        at = data.find(name, at + 1)
    return found


def endless_table(path: Path, target: Path) -> Path:
    """An MP4 whose pictures number thousands of millions, by its table of times (``stts``); its sound is whole."""
    data = bytearray(path.read_bytes())
    table = boxes(data, b"stts")[0]
    struct.pack_into(">I", data, table + 8, 0xFFFFFF00)
    target.write_bytes(data)
    return target


def write_floats(path: Path, samples: npt.NDArray[np.float32], rate: int) -> Path:
    """A WAV of floats, which can hold what is no number."""
    body = samples.astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, rate, 4 * rate, 4, 32)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(body)) + body
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    return path
