"""Whether an mp4 file is whole and how long it says that it lasts, seen from its boxes without decoding it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class Mp4:
    """``fault``: what is wrong with a file, as the end of a sentence that begins with its name; ``None`` if it looks
    whole. ``seconds``: how long it says that it lasts; ``None`` where it says nothing."""

    fault: str | None = None
    seconds: float | None = None


def look_at_mp4(path: Path) -> Mp4:
    """Look at a file.

    Only the outermost boxes and the head of the index are read (a few seeks), so that thousands of clips are checked in
    a second: a download that stopped halfway, or a recording that was never closed, has no index or ends within a box.
    """
    names = set()
    seconds = None
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            at = 0
            while at < end:
                file.seek(at)
                head = file.read(16)
                if len(head) < 8:
                    return Mp4("is broken: it ends within a box")
                size, name = struct.unpack(">I4s", head[:8])
                begin = at + (16 if size == 1 else 8)
                if size == 1 and len(head) == 16:
                    size = struct.unpack(">Q", head[8:])[0]
                elif size == 0:
                    size = end - at
                if size < 8:
                    return Mp4("is broken: it is no mp4 file")
                if not names and name not in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp"):
                    return Mp4("is broken: it is no mp4 file")
                if name == b"moov":
                    seconds = _seconds(file, begin)
                names.add(name)
                at += size
    except OSError as error:
        return Mp4(f"cannot be read: {error.strerror or error}")
    if not names:
        return Mp4("is broken: it is empty")
    if at > end:
        return Mp4("is broken: it ends within a box")
    return Mp4(None if b"moov" in names else "is broken: it has no index (moov)", seconds)


def _seconds(file: BinaryIO, begin: int) -> float | None:
    """How long the movie lasts, by the head of its index, which is the index's first box; ``None`` where it says
    nothing."""
    file.seek(begin)
    head = file.read(40)
    if len(head) < 40 or head[4:8] != b"mvhd":
        return None
    scale, duration = struct.unpack(">IQ", head[28:40]) if head[8] == 1 else struct.unpack(">II", head[20:28])
    unknown = 2**64 - 1 if head[8] == 1 else 2**32 - 1
    return duration / scale if scale and duration not in (0, unknown) else None
