"""Sound: a span of a file as mono samples, none of it silently missing."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
import numpy.typing as npt

from merc.components.encoder import AudioClip
from merc.media.container import Media, Unreadable, error_text

Samples = npt.NDArray[np.float32]

# Codecs that build on earlier packets need a run-up after a seek.
_RUN_UP = 0.5
JITTER = 0.01
"""Times of frames, in seconds, that differ by less are the same."""
# How each channel counts in the mono sum (ITU-R BS.775 folded twice; the subwoofer is left out), scaled to sum to 1.
_WEIGHTS = {"FL": 1.0, "FR": 1.0, "FC": 2**0.5, "LFE": 0.0, "LFE2": 0.0}
_SURROUND = 0.5**0.5


def read_audio(media: Media, start: float | None, end: float | None) -> tuple[Samples, int]:
    """The sound from ``start`` to ``end`` seconds (``None``: all of it): mono samples at the file's own rate.

    Raises Unreadable when there is no audio track, or less sound than the span or the file promises.
    """
    name, stream = media.path.name, media.audio
    if stream is None:
        raise Unreadable(f"{name} has no audio track")
    begin = start or 0.0
    pieces, rate, first, reached, fault = _decode(media, stream, begin, end)
    samples = np.concatenate(pieces) if pieces else np.zeros(0, "float32")
    rate = rate or stream.rate or 1
    heard = len(samples) / rate
    tolerance = tolerance_of(stream, rate)
    trouble = f" ({fault})" if fault else ""
    if end is not None:
        if heard < end - begin - tolerance:
            raise Unreadable(
                f"{name}: the span {begin:.2f}-{end:.2f} s holds only {heard:.2f} s of audio; "
                f"the audio ends at {reached:.2f} s{trouble}"
            )
    elif cut := media.cut_short(reached, stream, tolerance):
        raise Unreadable(f"{name} is cut short or damaged: {cut}{trouble}")
    elif heard < reached - (_first(media, stream, begin) if fault else max(first, begin)) - tolerance:
        raise Unreadable(f"{name}: {heard:.2f} s of audio could be decoded of {reached - begin:.2f} s{trouble}")
    if not len(samples):
        raise Unreadable(f"{name} has an audio track that holds no sound{trouble}")
    return samples, rate


def tolerance_of(stream: av.AudioStream, rate: int) -> float:
    """How many seconds a track may hold less than its file states: padding and the codec's delay."""
    return 0.1 + 2 * (stream.codec_context.frame_size or 0) / rate


def resample(samples: Samples, source: int, rate: int) -> AudioClip:
    """Mono sound at another rate, by FFmpeg's band-limited resampler, kept within -1..1."""
    if source != rate and len(samples):
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.rate, frame.pts = source, 0
        parts = [part.to_ndarray()[0] for part in [*resampler.resample(frame), *resampler.resample(None)]]
        samples = np.concatenate(parts)[: max(round(len(samples) * rate / source), 1)]
    return AudioClip(samples=np.clip(samples, -1.0, 1.0, dtype=np.float32), rate=rate)


def _first(media: Media, stream: av.AudioStream, begin: float) -> float:
    """When the sound of a stream sets in according to the file: some let the picture run ahead, and not all that do
    say so."""
    if stream.start_time is None or stream.time_base is None:
        return begin
    return max(float(stream.start_time * stream.time_base) - media.offset, begin)


def _decode(
    media: Media, stream: av.AudioStream, begin: float, end: float | None
) -> tuple[list[Samples], int, float, float, str]:
    """The pieces of the span, their rate, when the first frame began and when the sound gave out, and the first fault
    met, if any."""
    pieces: list[Samples] = []
    rate, reached = 0, 0.0
    onset: float | None = None
    faults: list[str] = []
    for at, rate, samples in frames(media, stream, begin, faults):
        onset = at if onset is None else onset
        reached = at + len(samples) / rate
        first = max(round((begin - at) * rate), 0)
        last = len(samples) if end is None else min(round((end - at) * rate), len(samples))
        if first < last:
            pieces.append(samples[first:last])
        if end is not None and reached >= end:
            break
    return pieces, rate, onset or 0.0, reached, faults[0] if faults else ""


def frames(
    media: Media, stream: av.AudioStream, begin: float, faults: list[str]
) -> Iterator[tuple[float, int, Samples]]:
    """The frames of a track from shortly before ``begin`` on: the time of each, its rate, and its mono samples.

    A packet that is damaged is passed over and what its decoder says is put into ``faults``: what is lacking in the end
    is counted by the caller. Raises Unreadable where the rate changes.
    """
    rate, reached = 0, 0.0
    container, base = media.container, stream.time_base
    if base is None:
        raise Unreadable(f"{media.path.name} has an audio track without a clock")
    try:
        container.seek(round((max(begin - _RUN_UP, 0.0) + media.offset) / float(base)), stream=stream, backward=True)
    except av.error.FFmpegError:  # where the sound sets in later than that, there is nothing of it to go back to
        container.seek(container.start_time or 0, backward=True)
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            decoded = packet.decode()
        except av.error.EOFError:
            return
        except MemoryError:
            raise
        except av.error.FFmpegError as error:
            faults.append(error_text(error))
            continue
        for frame in decoded:
            if not frame.samples:
                continue
            if rate and frame.rate != rate:
                raise Unreadable(f"{media.path.name} changes its sample rate from {rate} to {frame.rate} Hz midway")
            rate = frame.rate
            at = reached if frame.pts is None else float(frame.pts * base) - media.offset
            if abs(at - reached) < JITTER:  # so that no sample is lost or doubled where times are rounded
                at = reached
            reached = at + frame.samples / rate
            yield at, rate, _mono(frame)


def _mono(frame: av.AudioFrame) -> Samples:
    """One channel of float32 in -1..1 out of any layout and sample format."""
    names = [channel.name for channel in frame.layout.channels]
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, len(names)).T
    if values.dtype == np.uint8:
        values = (values.astype("float32") - 128) / 128
    elif np.issubdtype(values.dtype, np.integer):
        values = (values / -float(np.iinfo(values.dtype.name).min)).astype("float32")
    weights = np.array([_WEIGHTS.get(name, _SURROUND) for name in names], "float32")
    if not weights.sum():
        weights = np.ones(len(names), "float32")
    # What is too large for a float32, or no number, stays so; whoever reads the sound counts it.
    with np.errstate(over="ignore", invalid="ignore"):
        mono: Samples = (weights / weights.sum()) @ values.astype("float32", copy=False)
    return mono
