"""Loudness, pitch and rate of a voice, measured by openSMILE (eGeMAPSv02, functionals)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from merc import AudioClip, Missing
from merc_bemerc.levels import Measured

_SILENT = 1e-4
_PITCH = "F0semitoneFrom27.5Hz_sma3nz"


def measurer() -> Callable[[AudioClip], Measured | Missing]:
    """The function that measures a clip.

    ``loudness`` is eGeMAPS' mean loudness (a model of the ear, in sone-like units), ``loudness_variation`` its
    standard deviation over its mean; ``pitch`` the mean over voiced frames in semitones above 27.5 Hz,
    ``pitch_variation`` its standard deviation in semitones; ``rate`` peaks of loudness a second, about a syllable
    each; ``rate_variation`` the standard deviation of the length of voiced stretches over its mean, from three
    stretches on.
    """
    import opensmile

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
    )

    def measure(clip: AudioClip) -> Measured | Missing:
        if np.abs(clip.samples).max(initial=0.0) < _SILENT:
            return Missing("the sound is silent throughout")
        row = smile.process_signal(clip.samples, clip.rate).iloc[0]
        values = {
            "loudness": row["loudness_sma3_amean"],
            "loudness_variation": row["loudness_sma3_stddevNorm"],
            "rate": row["loudnessPeaksPerSec"],
        }
        if row[f"{_PITCH}_amean"] > 0:
            values["pitch"] = row[f"{_PITCH}_amean"]
            values["pitch_variation"] = row[f"{_PITCH}_stddevNorm"] * row[f"{_PITCH}_amean"]
        if row["VoicedSegmentsPerSec"] * clip.seconds > 2.5 and row["MeanVoicedSegmentLengthSec"] > 0:
            values["rate_variation"] = row["StddevVoicedSegmentLengthSec"] / row["MeanVoicedSegmentLengthSec"]
        known = {name: float(value) for name, value in values.items() if np.isfinite(value)}
        return known or Missing(f"nothing can be measured in {clip.seconds:.2f} s of sound")

    return measure
