"""Whether an mp4 file is whole, seen from its outermost boxes without decoding it."""

from __future__ import annotations

import struct
from pathlib import Path


def fault_of_mp4(path: Path) -> str | None:
    """What is wrong with the file, as the end of a sentence that begins with its name; ``None`` if it looks whole.

    Only the outermost boxes are read (a few seeks), so that thousands of clips are checked in a second: a download
    that stopped halfway, or a recording that was never closed, has no index or ends within a box.
    """
    names = set()
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            at = 0
            while at < end:
                file.seek(at)
                head = file.read(16)
                if len(head) < 8:
                    return "is broken: it ends within a box"
                size, name = struct.unpack(">I4s", head[:8])
                if size == 1 and len(head) == 16:
                    size = struct.unpack(">Q", head[8:])[0]
                elif size == 0:
                    size = end - at
                if size < 8:
                    return "is broken: it is no mp4 file"
                if not names and name not in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp"):
                    return "is broken: it is no mp4 file"
                names.add(name)
                at += size
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    if not names:
        return "is broken: it is empty"
    if at > end:
        return "is broken: it ends within a box"
    return None if b"moov" in names else "is broken: it has no index (moov)"
