"""What a media file states of itself, read in this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from merc.media.container import opened


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """What a media file states of itself."""

    video: bool
    """Whether it has pictures."""
    audio: bool
    """Whether it has sound."""
    seconds: float | None
    """How long it says that it lasts; ``None`` where it says nothing."""


def probe_here(path: Path) -> MediaInfo:
    """Look into a file in this process. Raises Unreadable."""
    with opened(path) as media:
        return MediaInfo(video=media.video is not None, audio=media.audio is not None, seconds=media.duration)
