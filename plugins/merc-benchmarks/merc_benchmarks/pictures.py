"""Frames of a clip as pictures for a judge that sees."""

from __future__ import annotations

import base64
import io

from merc import MercError

_SIDE = 512


def frames_of(clip: str, most: int) -> list[str]:
    """A frame a second from the beginning, at most ``most``, as JPEG data URLs with sides of at most 512 pixels.

    Raises MercError, naming the file, where it cannot be read.
    """
    import av

    pictures: list[str] = []
    try:
        with av.open(clip) as container:
            for frame in container.decode(video=0):
                if len(pictures) >= most:
                    break
                if frame.time is None or frame.time < len(pictures):
                    continue
                picture = frame.to_image()
                picture.thumbnail((_SIDE, _SIDE))
                held = io.BytesIO()
                picture.save(held, "JPEG", quality=85)
                pictures.append(f"data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode()}")
    except (av.FFmpegError, OSError, IndexError) as error:
        raise MercError(f"a judge is to see {clip}, which cannot be read: {error}; frames=0 shows it none") from None
    return pictures
