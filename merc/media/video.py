"""Pictures: when each frame of a file is shown, and the frames that are asked for, in one pass."""

from __future__ import annotations

import importlib.util
import itertools
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import av
import numpy as np
import numpy.typing as npt

from merc.media.container import Media, Unreadable, error_text, opened

Picture = npt.NDArray[np.uint8]
Times = npt.NDArray[np.float64]
Reader = Callable[[npt.NDArray[np.int64]], Iterator[tuple[int, Picture]]]

# decord hands over whole batches, of at most so many pictures and so many bytes.
_CHUNK = 8
_CHUNK_BYTES = 1 << 27
# What decord's FFmpeg does not know at all: not even tried.
_NOT_DECORD = {"av1", "vvc", "prores_raw", "apv"}
# A gap of so many frames is worth a seek, if there is a key frame within it.
_WORTH_A_SEEK = 48
_TOLERANCE = 0.5


class Shot(NamedTuple):
    """A frame as the container lists it, in ticks of the stream's clock."""

    stamp: int
    key: bool
    duration: int


@dataclass(frozen=True, eq=False)
class Track:
    """The frames of a file: ``times`` in seconds, ascending, the time ``end`` at which the last one goes, and
    ``read(indices)``, which gives (index, picture ``[height, width, 3]`` RGB) in order. A frame that cannot be decoded
    is left out."""

    times: Times
    end: float
    read: Reader
    backend: str


def open_track(media: Media, backend: str | None = None, most_pixels: int | None = None) -> Track:
    """The frames of a file, by decord, or by PyAV where decord cannot. Raises Unreadable, also for pictures of more
    than ``most_pixels`` pixels.

    Both give the same pictures at the same times, turned upright; ``backend`` insists on one of them.
    """
    stream = stream_of(media)
    name = media.path.name
    check_size(name, stream.codec_context.width, stream.codec_context.height, most_pixels)
    shots, by_count, fault = _shots(media, stream)
    if not shots:
        raise Unreadable(f"{name} has a video track without a frame{fault and f' ({fault})'}")
    known = stream.codec_context.codec.canonical_name not in _NOT_DECORD and importlib.util.find_spec("decord")
    if backend == "decord" or (known and backend is None and not by_count):
        try:
            return _by_decord(media, shots, most_pixels)
        except Exception as error:  # decord raises RuntimeError, DECORDError and AssertionError alike
            if backend:
                raise Unreadable(f"{name}: decord: {error_text(error)}") from None
    return _by_pyav(media, shots, most_pixels, by_count)


def check_size(name: str, width: int, height: int, most: int | None) -> None:
    """Raise Unreadable for a picture of more than ``most`` pixels: a small file can hold pictures that fill the
    memory."""
    if most is not None and width * height > most:
        raise Unreadable(
            f"{name}: its pictures are {width} x {height}; at most {most / 1e6:g} million pixels are decoded "
            "(features.decode_megapixels allows more)"
        )


def stream_of(media: Media) -> av.VideoStream:
    """The video stream of a file; raises Unreadable where there is none."""
    if media.video is None:
        raise Unreadable(f"{media.path.name} has no video track")
    return media.video


def within(track: Track, start: float | None, end: float | None) -> npt.NDArray[np.int64]:
    """The frames that begin within a span; where none does, the one that is on show when the span begins."""
    low = 0.0 if start is None else start
    high = np.inf if end is None else end
    frames = np.flatnonzero((track.times >= (low if start else -np.inf)) & (track.times < high))
    if not len(frames) and track.times[0] <= low < track.end:
        frames = np.array([np.searchsorted(track.times, low, side="right") - 1])
    return frames


def cut_short(media: Media, track: Track, end: float | None) -> str | None:
    """The reason if the file breaks off before ``end`` (``None``: before its own end), else ``None``."""
    stream = stream_of(media)
    if end is not None and end <= track.end + _TOLERANCE:
        return None
    if stream.frames and len(track.times) < 0.98 * stream.frames - 2:
        return f"{len(track.times)} of the {stream.frames} frames that it states are there"
    return media.cut_short(track.end, stream, _TOLERANCE) if not stream.frames else None


def _by_decord(media: Media, shots: Sequence[Shot], most_pixels: int | None) -> Track:
    """Raises whatever decord raises, and RuntimeError where it is not to be trusted with the file."""
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    # One thread a file: the files themselves are decoded side by side. A frame that decord recovers is a copy of its
    # neighbour, so it is set to give up and PyAV leaves out what is broken.
    reader = decord.VideoReader(str(media.path), num_threads=1, fault_tol=1)
    track = _by_pyav(media, shots, most_pixels)
    times = np.asarray(reader.get_frame_timestamp(np.arange(len(reader))), "float64")[:, 0]
    # decord silently gives wrong pictures after a seek where groups of pictures are open (x265's default): there it
    # takes the key frames to stand elsewhere than they do. So what it thinks of the file is compared with what is so.
    keys = [index for index, shot in enumerate(shots) if shot.key]
    if len(times) != len(shots) or reader.get_key_indices() != keys:
        raise RuntimeError("decord counts other frames or key frames than the file has")
    if not np.allclose(times - times[0], track.times - track.times[0], atol=2e-3):
        raise RuntimeError("decord shows frames at other times than the file does")

    context = stream_of(media).codec_context
    together = max(1, min(_CHUNK, _CHUNK_BYTES // max(1, 3 * context.width * context.height)))

    def read(indices: npt.NDArray[np.int64]) -> Iterator[tuple[int, Picture]]:
        done = 0
        try:
            while done < len(indices):
                chunk = indices[done : done + together]
                pictures = reader.get_batch(chunk).asnumpy()
                if pictures.shape[0] != len(chunk) or pictures.shape[3] != 3:
                    raise RuntimeError("not the pictures that were asked for")
                for index, picture in zip(chunk, pictures, strict=True):
                    done += 1
                    yield int(index), picture
        except Exception:  # damaged midway: PyAV goes on from here
            yield from track.read(indices[done:])

    return replace(track, read=read, backend="decord")


def _by_pyav(media: Media, shots: Sequence[Shot], most_pixels: int | None, by_count: bool = False) -> Track:
    base = float(stream_of(media).time_base or 0)
    stamps = np.array([shot.stamp for shot in shots], "int64")
    keys = np.array([shot.stamp for shot in shots if shot.key], "int64")
    times = stamps * base - media.offset

    def read(indices: npt.NDArray[np.int64]) -> Iterator[tuple[int, Picture]]:
        with opened(media.path) as again:
            frames = _decode_by_count(again, indices) if by_count else _decode(again, stamps, keys, indices)
            for index, frame in frames:
                # A picture may be larger than its container states.
                check_size(media.path.name, frame.width, frame.height, most_pixels)
                yield index, _upright(_pixels(frame), frame.rotation)

    return Track(times, _end(times, float(times[-1]) + shots[-1].duration * base), read, "pyav")


def _end(times: Times, stated: float) -> float:
    """When the last frame goes: as stated if that is sound, else it stays as long as frames usually do."""
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    return stated if 0 < stated - times[-1] <= 10 * usual + 1 else float(times[-1]) + usual


def _shots(media: Media, stream: av.VideoStream) -> tuple[list[Shot], bool, str]:
    """The frames in the order in which they are shown, read from the container without decoding, whether a frame is
    known by its place alone, and the fault met, if any. Where the container stores no time of show the frames are
    decoded to learn it, and the times that they bear then may be in disorder (H.264 with B frames in AVI)."""
    shots: dict[int, Shot] = {}
    fault = ""
    if media.container.format.name == "avi" and stream.codec_context.has_b_frames:  # AVI has no times of show
        return *_decoded_shots(media), fault
    with opened(media.path) as again:
        try:
            for packet in again.container.demux(again.container.streams[stream.index]):
                if packet.size and not packet.is_discard:
                    if packet.pts is None:
                        return *_decoded_shots(media), fault
                    shots[packet.pts] = Shot(packet.pts, packet.is_keyframe, packet.duration or 0)
        except av.error.FFmpegError as error:
            fault = error_text(error)
    return [shots[stamp] for stamp in sorted(shots)], False, fault


def _decoded_shots(media: Media) -> tuple[list[Shot], bool]:
    shots: dict[int, Shot] = {}
    with opened(media.path) as again:
        for frame in _frames(again, stream_of(again)):
            if frame.pts is not None:
                shots[frame.pts] = Shot(frame.pts, frame.key_frame, frame.duration or 0)
    ordered = sorted(shots)
    return [shots[stamp] for stamp in ordered], ordered != list(shots)


def _decode_by_count(media: Media, indices: npt.NDArray[np.int64]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Decode from the beginning, and count."""
    stream = stream_of(media)
    stream.codec_context.thread_count = 1
    places = set(indices.tolist())
    frames = (frame for frame in _frames(media, stream) if frame.pts is not None)
    for index, frame in enumerate(itertools.islice(frames, max(places, default=-1) + 1)):
        if index in places:
            yield index, frame


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
        except MemoryError:
            raise
        except av.error.FFmpegError:
            continue
        yield from frames


def _decode(
    media: Media, stamps: npt.NDArray[np.int64], keys: npt.NDArray[np.int64], indices: npt.NDArray[np.int64]
) -> Iterator[tuple[int, av.VideoFrame]]:
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
                yield places[frame.pts], frame
            left = left[bisect_right(left, frame.pts) :]
            position = int(np.searchsorted(stamps, frame.pts))
            skipped = bool(left) and _key_before(keys, stamps, left[0], position) is not None
            if skipped or not left:
                break
        if not skipped:
            return


def _key_before(keys: npt.NDArray[np.int64], stamps: npt.NDArray[np.int64], stamp: int, position: int) -> int | None:
    """The key frame to seek to for ``stamp``, if that saves enough."""
    at = int(np.searchsorted(keys, stamp, side="right")) - 1
    if at < 0 or int(np.searchsorted(stamps, keys[at])) <= position + _WORTH_A_SEEK:
        return None
    return int(keys[at])


def _pixels(frame: av.VideoFrame) -> Picture:
    return np.asarray(frame.to_ndarray(format="rgb24"), "uint8")


def _upright(picture: Picture, degrees: int) -> Picture:
    """Turn a picture as the file asks; phones record sideways."""
    return np.ascontiguousarray(np.rot90(picture, round(degrees / 90))) if degrees % 360 else picture
