"""What a media file states of itself, read in this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from merc.media.container import opened


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """Whether a file has pictures and sound, and how many ``seconds`` it says that it lasts (``None``: it says
    nothing)."""

    video: bool
    audio: bool
    seconds: float | None


def probe_here(path: Path) -> MediaInfo:
    """Look into a file in this process. Raises Unreadable."""
    with opened(path) as media:
        return MediaInfo(video=media.video is not None, audio=media.audio is not None, seconds=media.duration)
