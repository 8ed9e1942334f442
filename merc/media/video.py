"""Pictures: when each frame of a file is shown, and the frames that are asked for, in one pass."""

from __future__ import annotations

import importlib.util
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from merc.media.container import Media, Unreadable, error_text, opened

Picture = npt.NDArray[np.uint8]
Times = npt.NDArray[np.float64]
Reader = Callable[[npt.NDArray[np.int64]], Iterator[tuple[int, Picture]]]

# decord hands over whole batches; small ones keep the memory small however large the pictures are.
_CHUNK = 8
# What decord's FFmpeg does not know at all: not even tried.
_NOT_DECORD = {"av1", "vvc", "prores_raw", "apv"}
# A gap of so many frames is worth a seek, if there is a key frame within it.
_WORTH_A_SEEK = 48
_TOLERANCE = 0.5


@dataclass(frozen=True, eq=False)
class Track:
    """The frames of a file: ``times`` in seconds, ascending, the time ``end`` at which the last one goes, and
    ``read(indices)``, which gives (index, picture ``[height, width, 3]`` RGB) in order. A frame that cannot be decoded
    is left out."""

    times: Times
    end: float
    read: Reader
    backend: str


def open_track(media: Media, backend: str | None = None) -> Track:
    """The frames of a file, by decord, or by PyAV where decord cannot. Raises Unreadable.

    Both give the same pictures at the same times, turned upright; ``backend`` insists on one of them.
    """
    stream = stream_of(media)
    codec = stream.codec_context.codec.canonical_name
    if backend != "pyav" and codec not in _NOT_DECORD and (importlib.util.find_spec("decord") or backend):
        try:
            return _by_decord(media, stream)
        except Exception as error:  # decord raises RuntimeError, DECORDError and AssertionError alike
            if backend:
                raise Unreadable(f"{media.path.name}: decord: {error_text(error)}") from None
    return _by_pyav(media, stream)


def stream_of(media: Media) -> av.VideoStream:
    """The video stream of a file; raises Unreadable where there is none."""
    if media.video is None:
        raise Unreadable(f"{media.path.name} has no video track")
    return media.video


def within(track: Track, start: float | None, end: float | None) -> npt.NDArray[np.int64]:
    """The frames that begin within a span; where none does, the one that is on show when the span begins."""
    low = 0.0 if start is None else start
    high = np.inf if end is None else end
    found = np.flatnonzero((track.times >= (low if start else -np.inf)) & (track.times < high))
    if not len(found) and track.times[0] <= low < track.end:
        found = np.array([np.searchsorted(track.times, low, side="right") - 1])
    return found


def cut_short(media: Media, track: Track, end: float | None) -> str | None:
    """The reason if the file breaks off before ``end`` (``None``: before its own end), else ``None``."""
    stream = stream_of(media)
    if end is not None and end <= track.end + _TOLERANCE:
        return None
    if stream.frames and len(track.times) < 0.98 * stream.frames - 2:
        return f"{len(track.times)} of the {stream.frames} frames that it states are there"
    return media.cut_short(track.end, stream, _TOLERANCE) if not stream.frames else None


def resized(picture: Picture, size: tuple[int, int], scaler: VideoReformatter) -> Picture:
    """A picture at (height, width), bilinear over the whole area that a pixel covers, so that nothing flickers."""
    if picture.shape[:2] == size:
        return picture
    frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(picture), "rgb24")
    small = scaler.reformat(frame, width=size[1], height=size[0], format="rgb24", interpolation="BILINEAR", threads=1)
    return _pixels(small)


def _by_decord(media: Media, stream: av.VideoStream) -> Track:
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    # One thread a file: the files themselves are decoded side by side. A recovered frame is a copy of its neighbour,
    # so more than none of them hands the file to PyAV, which leaves out what is broken.
    reader = decord.VideoReader(str(media.path), num_threads=1, fault_tol=1)
    shown = np.asarray(reader.get_frame_timestamp(np.arange(len(reader))), "float64")
    # decord counts from the first frame.
    late = float((stream.start_time or 0) * (stream.time_base or 0)) - media.offset
    order = np.argsort(shown[:, 0], kind="stable")
    if not np.array_equal(order, np.arange(len(order))):
        raise RuntimeError("frames out of order")

    def read(indices: npt.NDArray[np.int64]) -> Iterator[tuple[int, Picture]]:
        done = 0
        try:
            for at in range(0, len(indices), _CHUNK):
                chunk = indices[at : at + _CHUNK]
                for index, picture in zip(chunk, reader.get_batch(chunk).asnumpy(), strict=True):
                    yield int(index), picture
                    done += 1
        except GeneratorExit:
            raise
        except Exception:
            # Damaged midway: PyAV goes on from here and leaves out only what is broken.
            with opened(media.path) as again:
                other = open_track(again, "pyav")
                if len(other.times) == len(shown):
                    yield from other.read(indices[done:])

    return Track(shown[:, 0] + late, float(shown[-1, 1]) + late, read, "decord")


def _by_pyav(media: Media, stream: av.VideoStream) -> Track:
    base = float(stream.time_base or 0)
    packets, fault = _packets(media, stream)
    if not packets:
        raise Unreadable(f"{media.path.name} has a video track without a frame{fault and f' ({fault})'}")
    stamps = np.array([pts for pts, _, _ in packets], "int64")
    keys = np.array([pts for pts, key, _ in packets if key], "int64")
    times = stamps * base - media.offset
    last = packets[-1][2] or (int(np.median(np.diff(stamps))) if len(stamps) > 1 else 0)

    def read(indices: npt.NDArray[np.int64]) -> Iterator[tuple[int, Picture]]:
        with opened(media.path) as again:
            yield from _decode(again, stamps, keys, indices)

    return Track(times, float(times[-1]) + last * base, read, "pyav")


def _packets(media: Media, stream: av.VideoStream) -> tuple[list[tuple[int, bool, int]], str]:
    """(time stamp, whether it is a key frame, duration) of every frame, in order of show, and the fault met if any.

    Where the container stores no time of show (AVI) the frames are decoded to learn it.
    """
    found: list[tuple[int, bool, int]] = []
    fault = ""
    with opened(media.path) as again:
        same = again.container.streams[stream.index]
        try:
            for packet in again.container.demux(same):
                if packet.size and not packet.is_discard:
                    if packet.pts is None:
                        return _decoded_stamps(media), fault
                    found.append((packet.pts, packet.is_keyframe, packet.duration or 0))
        except av.error.FFmpegError as error:
            fault = error_text(error)
    return sorted({entry[0]: entry for entry in found}.values()), fault


def _decoded_stamps(media: Media) -> list[tuple[int, bool, int]]:
    found: dict[int, tuple[int, bool, int]] = {}
    with opened(media.path) as again:
        for frame in _frames(again, stream_of(again)):
            found[frame.pts or 0] = (frame.pts or 0, frame.key_frame, frame.duration or 0)
    return sorted(found.values())


def _frames(media: Media, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Decode onward from where the file stands; a broken packet is passed over."""
    packets = media.container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames: list[Any] = packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue
        yield from frames


def _decode(
    media: Media, stamps: npt.NDArray[np.int64], keys: npt.NDArray[np.int64], indices: npt.NDArray[np.int64]
) -> Iterator[tuple[int, Picture]]:
    """Decode onward, and seek over a long stretch in which nothing is wanted and a key frame stands."""
    stream = stream_of(media)
    stream.codec_context.thread_count = 1
    places = {int(stamps[i]): int(i) for i in indices}
    left = sorted(places)
    position = 0
    while left:
        if (key := _key_before(keys, stamps, left[0], position)) is not None:
            media.container.seek(key, stream=stream, backward=True)
        skipped = False
        for frame in _frames(media, stream):
            if frame.pts is None or frame.pts < left[0]:
                continue
            if frame.pts in places:
                yield places[frame.pts], _upright(_pixels(frame), frame.rotation)
            left = left[bisect_right(left, frame.pts) :]
            position = int(np.searchsorted(stamps, frame.pts))
            skipped = bool(left) and _key_before(keys, stamps, left[0], position) is not None
            if skipped or not left:
                break
        if not skipped:
            return


def _key_before(keys: npt.NDArray[np.int64], stamps: npt.NDArray[np.int64], wanted: int, position: int) -> int | None:
    """The key frame to seek to for ``wanted``, if that saves enough."""
    at = int(np.searchsorted(keys, wanted, side="right")) - 1
    if at < 0 or int(np.searchsorted(stamps, keys[at])) <= position + _WORTH_A_SEEK:
        return None
    return int(keys[at])


def _pixels(frame: av.VideoFrame) -> Picture:
    return np.asarray(frame.to_ndarray(format="rgb24"), "uint8")


def _upright(picture: Picture, degrees: int) -> Picture:
    """Turn a picture as the file asks; phones record sideways."""
    return np.ascontiguousarray(np.rot90(picture, round(degrees / 90))) if degrees % 360 else picture
