"""Frames that are lost, blurred or dark."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import merc
from merc_robustness.shares import no_share


@dataclass(frozen=True, kw_only=True)
class DropFrames(merc.Corruption):
    """Frames lost, of those that an encoder is shown.

    ``severities`` are shares of the frames, from 0 to 1, rounded to whole frames; where none is left the pictures are
    missing. ``streams`` names the encoders that lose them; none stands for all of pictures.
    """

    modalities = ("video",)
    unit = "of frames"
    severities: tuple[float, ...] = (0.25, 0.5, 0.75)

    def fault(self, severity: float) -> str | None:
        """A share."""
        return no_share(severity)

    def apply(self, clip: Any, severity: float, rng: np.random.Generator) -> merc.VideoClip | merc.Missing:
        """The frames that are left, in their order, with their times."""
        count = len(clip.frames)
        lost = rng.permutation(count)[: round(severity * count)]
        if not len(lost):
            return clip
        present = np.setdiff1d(np.arange(count), lost)
        if not len(present):
            return merc.Missing("all of its frames were dropped")
        return replace(clip, frames=clip.frames[present], times=clip.times[present])


@dataclass(frozen=True, kw_only=True)
class Blur(merc.Corruption):
    """Pictures out of focus.

    ``severities`` are radii of a Gaussian blur, in hundredths of a picture's shorter side, above 0 up to 50, so that
    they mean the same at every size. ``streams`` names the encoders that see it; none stands for all of pictures.
    """

    modalities = ("video",)
    unit = "% of side"
    severities: tuple[float, ...] = (1.0, 2.0, 4.0)

    def fault(self, severity: float) -> str | None:
        """A radius."""
        return None if 0 < severity <= 50 else "is no radius above 0 and up to 50 hundredths of a picture's side"

    def apply(self, clip: Any, severity: float, rng: np.random.Generator) -> merc.VideoClip:
        """Every frame blurred."""
        from PIL import Image, ImageFilter

        radius = severity / 100 * min(clip.frames.shape[1:3])
        by = ImageFilter.GaussianBlur(radius)
        frames = np.stack([np.asarray(Image.fromarray(frame).filter(by)) for frame in clip.frames])
        return replace(clip, frames=frames)


@dataclass(frozen=True, kw_only=True)
class Darken(merc.Corruption):
    """Pictures with less light.

    ``severities`` are the shares of the light that are lost, above 0 and below 1. ``streams`` names the encoders that
    see it; none stands for all of pictures.
    """

    modalities = ("video",)
    unit = "of light"
    severities: tuple[float, ...] = (0.5, 0.75, 0.9)

    def fault(self, severity: float) -> str | None:
        """A share of what is left to see."""
        return None if 0 < severity < 1 else "is no share above 0 and below 1"

    def apply(self, clip: Any, severity: float, rng: np.random.Generator) -> merc.VideoClip:
        """Every frame darker."""
        frames = np.round(clip.frames * np.float32(1 - severity)).astype(np.uint8)
        return replace(clip, frames=frames)
