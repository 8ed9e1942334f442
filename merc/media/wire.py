"""Messages between merc and its decoder processes: JSON, and arrays in memory that both share.

Nothing that a decoder process sends is executed or unpickled.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from merc.components.encoder import AudioClip, CannotEncode, Clip, Frames, TextClip, VideoClip, Waveform
from merc.media.decode import Decoded, Want

Message = dict[str, Any]

_ALIGN = 64


def send(sock: socket.socket, message: Message, file: int | None = None) -> None:
    """Send a message, and a file descriptor with it. Raises OSError when the other side is gone."""
    body = json.dumps(message).encode("ascii")
    data = struct.pack(">I", len(body)) + body
    sent = socket.send_fds(sock, [data], [] if file is None else [file])
    sock.sendall(data[sent:])


def receive(sock: socket.socket) -> tuple[Message, int | None] | None:
    """The next message and the file descriptor that came with it, which the caller closes; ``None`` when the other side
    is gone."""
    file: int | None = None
    try:
        head, files, _, _ = socket.recv_fds(sock, 4, 1)
        file = files[0] if files else None
        head += _exactly(sock, 4 - len(head)) if head else b""
        body = _exactly(sock, struct.unpack(">I", head)[0]) if head else b""
        if body:
            return json.loads(body), file
    except (EOFError, ConnectionError):
        pass
    if file is not None:
        os.close(file)
    return None


def _exactly(sock: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = sock.recv(min(count, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def pack_want(want: Want) -> Message:
    """A Want as plain values."""
    return {**asdict(want), "kind": type(want.sampling).__name__}


def unpack_want(packed: Message) -> Want:
    """The Want that ``pack_want`` was given."""
    sampling: Frames | Waveform
    if packed["kind"] == "Frames":
        size = packed["sampling"]["size"]
        sampling = Frames(**{**packed["sampling"], "size": tuple(size) if size else None})
    else:
        sampling = Waveform(**packed["sampling"])
    region = packed["region"]
    return Want(sampling, packed["start"], packed["end"], packed["draw"], tuple(region) if region else None)


def pack(decoded: Sequence[Decoded]) -> tuple[Message, int | None]:
    """What was decoded, and the descriptor of a file in memory that holds its arrays. A clip that stands twice is sent
    once."""
    arrays: list[npt.NDArray[Any]] = []
    clips: dict[int, Message] = {}
    rows: list[Message] = []
    size = 0

    def place(array: npt.NDArray[Any]) -> Message:
        nonlocal size
        array = np.ascontiguousarray(array)
        at = size
        arrays.append(array)
        size = -(-(at + array.nbytes) // _ALIGN) * _ALIGN
        return {"at": at, "shape": array.shape, "dtype": array.dtype.str}

    for one in decoded:
        if isinstance(one.clip, CannotEncode):
            rows.append({"reason": one.clip.reason, "remarks": one.remarks})
            continue
        if id(one.clip) not in clips:
            clips[id(one.clip)] = {"number": len(clips), **_pack_clip(one.clip, place)}
        rows.append({"clip": clips[id(one.clip)]["number"], "remarks": one.remarks})
    file = _file_of(arrays, size) if size else None
    return {"rows": rows, "clips": list(clips.values())}, file


def _pack_clip(clip: Clip, place: Any) -> Message:
    if isinstance(clip, VideoClip):
        return {"frames": place(clip.frames), "times": place(clip.times)}
    assert isinstance(clip, AudioClip)
    return {"samples": place(clip.samples), "rate": clip.rate}


def _file_of(arrays: Sequence[npt.NDArray[Any]], size: int) -> int:
    """A file without a name, in memory where the system has such files, that holds the arrays."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("merc-clips")
    else:
        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    try:
        os.ftruncate(file, size)
        at = 0
        for array in arrays:
            view = memoryview(array).cast("B") if array.nbytes else memoryview(b"")
            done = 0
            while done < len(view):
                done += os.pwrite(file, view[done:], at + done)
            at = -(-(at + array.nbytes) // _ALIGN) * _ALIGN
    except BaseException:
        os.close(file)
        raise
    return file


def unpack(message: Message, file: int | None) -> list[Decoded]:
    """What ``pack`` was given; its arrays belong to this process alone."""
    clips: list[VideoClip | AudioClip | TextClip] = []
    for packed in message["clips"]:
        if "frames" in packed:
            clips.append(VideoClip(frames=_array(packed["frames"], file), times=_array(packed["times"], file)))
        else:
            clips.append(AudioClip(samples=_array(packed["samples"], file), rate=packed["rate"]))
    return [
        Decoded(clips[row["clip"]] if "clip" in row else CannotEncode(row["reason"]), tuple(row["remarks"]))
        for row in message["rows"]
    ]


def _array(place: Message, file: int | None) -> npt.NDArray[Any]:
    array = np.empty(place["shape"], np.dtype(place["dtype"]))
    if array.nbytes:
        assert file is not None
        view, done = memoryview(array).cast("B"), 0
        while done < len(view):
            count = os.preadv(file, [view[done:]], place["at"] + done)
            if not count:
                raise EOFError("a decoder process sent fewer bytes than it said")
            done += count
    return array
