"""Noise on sound, at a ratio of signal to noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

import merc

_VOICES = 6


@dataclass(frozen=True, kw_only=True)
class Noise(merc.Corruption):
    """Noise added to the sound of an utterance.

    ``severities`` are ratios of the power of the signal to that of the noise, in decibels: 0 is noise as strong as the
    voice, from -60 to 100. ``noise`` is ``white`` (all frequencies alike), ``speech-shaped`` (noise with the spectrum
    of the utterance itself) or ``babble`` (six voices at once, made of the utterance itself: shifted in time, every
    other one played backwards). ``streams`` names the encoders that hear it; none stands for all of sound. A clip of
    silence, or without any samples, has no such ratio and stays as it is.
    """

    modalities = ("audio",)
    unit = "dB"
    severities: tuple[float, ...] = (20.0, 10.0, 0.0)
    noise: Literal["white", "speech-shaped", "babble"] = "white"

    def fault(self, severity: float) -> str | None:
        """Decibels that a float holds and an ear knows."""
        return None if -60 <= severity <= 100 else "is no ratio of signal to noise from -60 to 100 dB"

    def apply(self, clip: Any, severity: float, rng: np.random.Generator) -> merc.AudioClip:
        """The samples with noise, [n] float32; beyond -1 and 1 they are cut off, as a recording would be."""
        samples = clip.samples.astype(np.float64)
        if not len(samples):
            return clip
        noise = _NOISES[self.noise](samples, rng)
        signal, strength = float(np.mean(samples**2)), float(np.mean(noise**2))
        if not signal or not strength:
            return clip
        scale = np.sqrt(signal / strength / 10 ** (severity / 10))
        return merc.AudioClip(samples=np.clip(samples + scale * noise, -1, 1).astype(np.float32), rate=clip.rate)


def _white(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(len(samples))


def _speech_shaped(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    spectrum = np.abs(np.fft.rfft(samples))
    turns = np.exp(2j * np.pi * rng.random(len(spectrum)))
    return np.fft.irfft(spectrum * turns, len(samples))


def _babble(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    places = rng.integers(0, len(samples), _VOICES)
    voices = [np.roll(samples[::-1] if at % 2 else samples, place) for at, place in enumerate(places)]
    return np.sum(voices, axis=0)


_NOISES = {"white": _white, "speech-shaped": _speech_shaped, "babble": _babble}
