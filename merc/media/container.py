"""Opening a media file, what it states of itself, and the sentence for one that cannot be read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av

from merc.errors import MercError

# Formats that name other files or addresses (playlists, concatenations) are not opened: a corpus may be a stranger's.
_FORMATS = "mov,mp4,matroska,webm,avi,wav,w64,flac,mp3,ogg,aac,mpegts,mpeg,flv,asf,aiff"


class Unreadable(MercError):
    """A file or a part of it that gives no clip; the text is the reason that the user reads."""


@dataclass(frozen=True, eq=False)
class Media:
    """An open file. Times are seconds from the start of the file, which is not always where its clock starts."""

    path: Path
    container: av.container.InputContainer

    @property
    def offset(self) -> float:
        """What the file's clock shows at its start, in seconds."""
        return (self.container.start_time or 0) / av.time_base

    @property
    def duration(self) -> float | None:
        """How long the file says that it is; some containers state nothing."""
        if not self.container.duration:
            return None
        # Matroska states when it ends, the others how long they last.
        late = self.offset if "matroska" in self.container.format.name else 0.0
        return self.container.duration / av.time_base - late

    @property
    def video(self) -> av.VideoStream | None:
        """The first video stream that is not a cover picture."""
        pictures = av.stream.Disposition.attached_pic
        return next((s for s in self.container.streams.video if not s.disposition & pictures), None)

    @property
    def audio(self) -> av.AudioStream | None:
        """The first audio stream."""
        return next(iter(self.container.streams.audio), None)

    def stated_end(self, stream: av.stream.Stream) -> float | None:
        """When a stream ends according to the file, where the file says so of this stream."""
        if tag := stream.metadata.get("DURATION"):  # Matroska and WebM, per stream
            hours, minutes, seconds = tag.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - self.offset
        if self.container.format.name == "wav":
            return _stated_by_wav(self.path)
        if (
            stream.duration is None
            or stream.time_base is None
            or (self.container.format.name in ("mp3", "aac") and not _counts_its_frames(self.path))
        ):  # without a count, the duration of an mp3 is a guess from its bit rate
            return None
        begin = float((stream.start_time or 0) * stream.time_base) - self.offset
        return begin + float(stream.duration * stream.time_base)

    @cached_property
    def last_time(self) -> float:
        """When the last packet of any stream begins: how far the file really goes. Reads the file, decodes nothing."""
        last = 0.0
        with opened(self.path) as again:
            try:
                for packet in again.container.demux():
                    if packet.pts is not None and packet.time_base is not None:
                        last = max(last, float(packet.pts * packet.time_base) - self.offset)
            except av.error.FFmpegError:
                pass
        return last

    def cut_short(self, reached: float, stream: av.stream.Stream, tolerance: float) -> str | None:
        """The reason if a stream that gave out at ``reached`` seconds should have gone on, else ``None``."""
        stated = self.stated_end(stream)
        if stated is None and self.duration and self.last_time < self.duration - max(tolerance, 0.5):
            stated = self.duration
        if stated is not None and reached < stated - tolerance:
            return f"its {stream.type} ends at {reached:.2f} s of the {stated:.2f} s that it states"
        if missing := _riff_shortfall(self.path):
            return f"its {stream.type} ends at {reached:.2f} s and {missing} bytes that it states are not there"
        return None


@contextmanager
def opened(path: Path) -> Iterator[Media]:
    """Open a media file; raises Unreadable with the reason."""
    if not path.is_file():
        raise Unreadable(f"{path} is no file" if path.exists() else f"{path} does not exist")
    if path.stat().st_size == 0:
        raise Unreadable(f"{path.name} is empty (0 bytes)")
    # FFmpeg takes what stands before the first colon of a name for a protocol, and no absolute path begins with one.
    path = path.absolute()
    try:
        container = av.open(str(path), options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise Unreadable(
            f"{path.name} cannot be read as video or audio ({error_text(error)}); a whole file is wanted, such as .mp4 "
            "or .wav"
        ) from None
    with container:
        yield Media(path, container)


def error_text(error: Exception) -> str:
    """What a decoder complains of, in one short line."""
    return (getattr(error, "strerror", None) or str(error).strip().split("\n")[0] or type(error).__name__)[:160]


def _stated_by_wav(path: Path) -> float | None:
    """A WAV's header tells how much sound there should be; FFmpeg goes by the size of the file."""
    with path.open("rb") as file:
        if file.read(4) != b"RIFF" or len(file.read(8)) != 8:
            return None
        rate = 0
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"fmt ":
                body = file.read(size)
                rate = struct.unpack("<I", body[8:12])[0] if len(body) >= 12 else 0
                file.seek(size % 2, 1)
            elif name == b"data":
                # A recorder that writes to a pipe cannot know the size and states the greatest.
                return size / rate if rate and size < 0x7FFF0000 else None
            else:
                file.seek(size + size % 2, 1)
    return None


def _riff_shortfall(path: Path) -> int:
    """How many bytes an AVI lacks of what its header states."""
    with path.open("rb") as file:
        head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"AVI ":
        return 0
    return max(int(struct.unpack("<I", head[4:8])[0]) + 8 - path.stat().st_size, 0)


def _counts_its_frames(path: Path) -> bool:
    """Whether an MP3 has a header that counts its frames. It stands in the first frame, after an ID3 tag."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            file.seek(10 + size)
        else:
            file.seek(0)
        frame = file.read(256)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))
