"""A command: replace what it says of a clip with what yours does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import merc


def command(
    clips: Annotated[list[Path], typer.Argument(metavar="CLIP...", help="Clips: .mp4 .mkv .webm .wav .mp3 …")],
    longest: Annotated[float, typer.Option(help="Seconds above which a clip is refused.")] = 3600.0,
) -> None:
    """Say how long clips are, and whether they have pictures and sound: one JSON object a line."""
    for clip in clips:
        info = merc.probe_media(clip)
        if info.seconds is not None and info.seconds > longest:
            raise merc.MercError(f"{clip} lasts {info.seconds:.0f} s; cut it, or allow more with --longest")
        report = {"clip": str(clip), "seconds": info.seconds, "pictures": info.video, "sound": info.audio}
        typer.echo(json.dumps(report, ensure_ascii=False))
