"""Encoder ``opensmile``: the functionals of openSMILE, BeMERC's ear."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from merc import AudioClip, Encoder, FeatureSpec, Missing, Waveform, in_threads
from merc_audio.windows import windows

if TYPE_CHECKING:
    from merc import EncodeFunction, Features

RATE = 16_000
LEAST = 0.1
"""Seconds. Of less than 0.08 s openSMILE's sets give no number (IS10 is the one that needs most)."""

SIZES = {"ComParE_2016": 6373, "eGeMAPSv02": 88, "GeMAPSv01b": 62, "emobase": 988, "IS09": 384, "IS10": 1582}

# openSMILE is given 16-bit numbers; at exactly 1 its Python package would turn the loudest sound upside down.
_LOUDEST = np.float32(32767 / 32768)


@dataclass(frozen=True, kw_only=True)
class OpenSmile(Encoder):
    """A token for every few seconds of sound: the functionals (means, slopes, percentiles, ... of pitch, loudness,
    spectrum and voice over a window) of an openSMILE feature set. BeMERC takes a token every two seconds (arXiv
    2503.23990, 3.1). Sound that is shorter than a window in all is one token.

    The numbers are as openSMILE gives them, some up to 10^8: the connector should have ``normalize: train``.
    """

    modality = "audio"
    features: Literal["ComParE_2016", "eGeMAPSv02", "GeMAPSv01b", "emobase", "IS09", "IS10"] = "ComParE_2016"
    """The feature set. ComParE_2016 has 6,373 numbers per token, eGeMAPSv02 88, GeMAPSv01b 62, emobase 988, IS09 384,
    IS10 1,582."""
    window: float = 2.0
    """Seconds of sound in a token."""
    shortest: float = 0.5
    """What is left over after the last whole window is a token of its own if it lasts so many seconds, else part of the
    window before it."""
    batch: int = 16
    """Clips that are encoded together; changes no number."""

    def __post_init__(self) -> None:
        if self.shortest < LEAST:
            raise ValueError(f"shortest is {LEAST} seconds at least, not {self.shortest:g}")
        if self.window < self.shortest:
            raise ValueError(f"window ({self.window:g} s) is shorter than the shortest ({self.shortest:g} s)")
        if self.batch < 1:
            raise ValueError(f"batch counts from 1, not {self.batch}")

    def sampling(self) -> Waveform:
        """16 kHz."""
        return Waveform(rate=RATE, min_seconds=LEAST)

    def spec(self) -> FeatureSpec:
        """As many numbers per token as the set has."""
        return FeatureSpec(dim=SIZES[self.features])

    def why_frozen(self) -> str:
        """It has no network."""
        return "openSMILE computes its functionals by formulas, so there is no network that could learn"

    def load(self, device: str) -> EncodeFunction:
        """Get openSMILE ready; it computes on processors, in a thread for each that may be used."""
        import opensmile

        smile = opensmile.Smile(
            feature_set=opensmile.FeatureSet[self.features], feature_level=opensmile.FeatureLevel.Functionals
        )
        names = smile.feature_names
        size, least = round(self.window * RATE), round(self.shortest * RATE)

        def describe(samples: npt.NDArray[np.float32]) -> Features:
            return np.asarray(smile(np.minimum(samples, _LOUDEST), RATE), np.float32).reshape(-1)

        def encode(clips: Sequence[AudioClip]) -> list[Features | Missing]:
            places = [windows(len(c.samples), size, least) if c.seconds >= LEAST else [] for c in clips]
            parts = [c.samples[begin:end] for c, of_clip in zip(clips, places, strict=True) for begin, end in of_clip]
            with closing(in_threads(describe, parts, _processors())) as described:
                rows = iter([row for _, row in described])
            out: list[Features | Missing] = []
            for clip, of_clip in zip(clips, places, strict=True):
                if not of_clip:
                    out.append(Missing(f"{clip.seconds:.2f} s of sound; openSMILE needs {LEAST} s"))
                    continue
                tokens = np.stack(list(islice(rows, len(of_clip))))
                fault = _fault(tokens, of_clip, names)
                out.append(tokens if fault is None else fault)
            return out

        return encode


def _fault(tokens: Features, places: Sequence[tuple[int, int]], names: Sequence[str]) -> Missing | None:
    """What is wrong with the tokens of a clip, if anything: openSMILE says nothing where it could not count."""
    bad = ~np.isfinite(tokens)
    if not bad.any():
        return None
    token = int(bad.any(axis=1).argmax())
    begin, end = (place / RATE for place in places[token])
    return Missing(
        f"openSMILE gives no number for {int(bad[token].sum())} of {len(names)} features from {begin:.1f} to "
        f"{end:.1f} s, the first of them {names[int(bad[token].argmax())]}"
    )


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
