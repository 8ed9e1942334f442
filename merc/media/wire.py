"""Messages between merc and its decoder processes: JSON, and after it the bytes of arrays, over a pair of sockets.

Nothing that a decoder process sends is executed or unpickled. A socket moves arrays faster than shared memory that is
made anew for each clip, whose pages the system clears first.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from merc.components.encoder import AudioClip, Frames, Missing, VideoClip, Waveform
from merc.media.decode import Decoded, Want

Message = dict[str, Any]
Array = npt.NDArray[Any]


def send(sock: socket.socket, message: Message, arrays: Sequence[Array] = ()) -> None:
    """Send a message and arrays. Raises OSError when the other side is gone."""
    arrays = [np.ascontiguousarray(array) for array in arrays]
    shapes = [[array.dtype.str, *array.shape] for array in arrays]
    body = json.dumps({**message, "arrays": shapes}).encode("ascii")
    sock.sendall(struct.pack(">I", len(body)) + body)
    for array in arrays:
        sock.sendall(_bytes_of(array))


def receive(sock: socket.socket) -> Message | None:
    """The next message, with its ``arrays``; ``None`` when the other side is gone, were it in the midst of one."""
    try:
        head, body = bytearray(4), bytearray()
        _fill(sock, memoryview(head))
        body = bytearray(struct.unpack(">I", head)[0])
        _fill(sock, memoryview(body))
        message: Message = json.loads(body)
        arrays = [np.empty(shape, np.dtype(dtype)) for dtype, *shape in message["arrays"]]
        for array in arrays:
            _fill(sock, _bytes_of(array))
    except (EOFError, OSError):
        return None
    return {**message, "arrays": arrays}


def _fill(sock: socket.socket, view: memoryview) -> None:
    done = 0
    while done < len(view):
        count = sock.recv_into(view[done:])
        if not count:
            raise EOFError
        done += count


def _bytes_of(array: Array) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def pack_want(want: Want) -> Message:
    """A Want as plain values."""
    return {**asdict(want), "kind": type(want.sampling).__name__}


def unpack_want(packed: Message) -> Want:
    """The Want that ``pack_want`` was given."""
    sampling: Frames | Waveform
    if packed["kind"] == "Frames":
        size, times = packed["sampling"]["size"], packed["sampling"]["times"]
        sampling = Frames(**{**packed["sampling"], "size": tuple(size) if size else None, "times": tuple(times)})
    else:
        sampling = Waveform(**packed["sampling"])
    region = packed["region"]
    return Want(sampling, packed["start"], packed["end"], packed["draw"], tuple(region) if region else None)


def pack(decoded: Sequence[Decoded]) -> tuple[Message, list[Array]]:
    """What was decoded, as a message and its arrays. A clip that stands twice is sent once."""
    arrays: list[Array] = []
    places: dict[int, Message] = {}
    rows: list[Message] = []
    for one in decoded:
        clip = one.clip
        if isinstance(clip, Missing):
            rows.append({"reason": clip.reason, "remarks": one.remarks})
            continue
        if id(clip) not in places:
            places[id(clip)] = {"clip": len(arrays)}
            if isinstance(clip, VideoClip):
                arrays += [clip.frames, clip.times]
                if clip.sound is not None:
                    places[id(clip)]["sound_rate"] = clip.sound.rate
                    arrays.append(clip.sound.samples)
            else:
                assert isinstance(clip, AudioClip)
                places[id(clip)]["rate"] = clip.rate
                arrays.append(clip.samples)
        rows.append({**places[id(clip)], "remarks": one.remarks})
    return {"decoded": rows}, arrays


def unpack(message: Message) -> list[Decoded]:
    """What ``pack`` was given."""
    arrays, decoded = message["arrays"], []
    clips: dict[int, AudioClip | VideoClip] = {}
    for row in message["decoded"]:
        if "reason" in row:
            decoded.append(Decoded(Missing(row["reason"]), tuple(row["remarks"])))
            continue
        at = row["clip"]
        if at not in clips and "rate" in row:
            clips[at] = AudioClip(samples=arrays[at], rate=row["rate"])
        elif at not in clips:
            rate = row.get("sound_rate")
            sound = None if rate is None else AudioClip(samples=arrays[at + 2], rate=rate)
            clips[at] = VideoClip(frames=arrays[at], times=arrays[at + 1], sound=sound)
        decoded.append(Decoded(clips[at], tuple(row["remarks"])))
    return decoded
