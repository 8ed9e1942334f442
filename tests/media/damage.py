"""Damage of the kind that ends a decoder's process."""

from __future__ import annotations

import struct
from pathlib import Path


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
