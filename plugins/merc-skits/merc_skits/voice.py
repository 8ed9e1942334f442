"""How an emotion sounds: synthetic speech whose pace, pitch, loudness and quality follow it."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merc_skits.espeak import Manner, speak
from merc_skits.expression import Emotion

Samples = npt.NDArray[np.float32]

# variants of espeak-ng that use no random numbers of their own: those are seeded by the clock
MEN = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "adam", "Andy")
WOMEN = ("f1", "f4", "linda", "steph", "anika", "belinda")


@dataclass(frozen=True)
class Voice:
    """What does not change about a speaker: espeak-ng's variant, pace in words a minute, pitch from 0 to 99."""

    variant: str
    pace: float
    pitch: float

    @staticmethod
    def draw(draw: random.Random, woman: bool) -> Voice:
        """A voice by chance."""
        return Voice(draw.choice(WOMEN if woman else MEN), draw.uniform(178, 204), draw.uniform(38, 52))


@dataclass(frozen=True)
class Prosody:
    """How an emotion is spoken. A neutral voice is all defaults.

    ``pace`` is a factor; ``pitch`` and ``range`` are added on espeak-ng's scale of 0 to 99; ``rise`` is how far the
    pitch ends above where it began, in octaves; ``level`` in decibels; ``bright`` in decibels an octave above 1 kHz;
    ``rough`` overdrives, ``breath`` adds air, ``creak`` lets the voice stutter at 35 Hz, from 0 to 1; ``tremor`` is
    the depth of a trembling of pitch and loudness at 7 Hz.
    """

    pace: float = 1.0
    pitch: float = 0.0
    range: float = 0.0
    rise: float = 0.0
    level: float = 0.0
    bright: float = 0.0
    rough: float = 0.0
    breath: float = 0.0
    creak: float = 0.0
    tremor: float = 0.0
    mark: str = "."


PROSODY: dict[Emotion, Prosody] = {
    "neutral": Prosody(range=-10),
    "joy": Prosody(pace=1.12, pitch=22, range=40, level=4, bright=2.0, mark="!"),
    "sadness": Prosody(pace=0.78, pitch=-18, range=-40, rise=-0.12, level=-7, bright=-5.0, breath=0.25),
    "anger": Prosody(pace=1.18, pitch=-4, range=15, level=8, bright=4.0, rough=0.9, mark="!"),
    "fear": Prosody(pace=1.3, pitch=26, range=-15, level=-3, breath=0.55, tremor=0.8, bright=-1.0),
    "surprise": Prosody(pace=0.92, pitch=30, range=49, rise=0.45, level=3, bright=1.0, mark="?"),
    "disgust": Prosody(pace=0.82, pitch=-24, range=0, rise=-0.2, level=-1, bright=-2.0, creak=0.85),
}


def say(text: str, voice: Voice, emotion: Emotion, strength: float, draw: random.Random) -> tuple[Samples, int]:
    """The text in a voice and an emotion, ``strength`` from 0 (neutral) to 1; samples in -1..1 and their rate."""
    target, rest = PROSODY[emotion], PROSODY["neutral"]

    def between(name: str, jitter: float = 0.0) -> float:
        low, high = getattr(rest, name), getattr(target, name)
        return float(low + (high - low) * strength + draw.gauss(0.0, jitter))

    manner = Manner(
        voice=f"en-us+{voice.variant}",
        rate=round(voice.pace * max(0.5, between("pace", 0.04))),
        pitch=round(min(99, max(0, voice.pitch + between("pitch", 3)))),
        range=round(min(99, max(0, 45 + between("range", 5)))),
    )
    words = text.rstrip(".!?") + (target.mark if strength > 0.5 else ".")
    samples, rate = speak(words, manner)
    noise = np.random.Generator(np.random.PCG64(draw.getrandbits(64)))
    samples = _trimmed(samples)
    samples = _bend(samples, rate, between("rise", 0.03), max(0.0, between("tremor", 0.05)))
    samples = _creak(samples, rate, between("creak"))
    samples = _drive(samples, between("rough"))
    samples = _breathe(samples, rate, between("breath", 0.02), noise)
    samples = _tilt(samples, rate, between("bright", 0.4))
    samples = samples / (np.sqrt(np.mean(samples**2)) + 1e-9) * 10 ** ((between("level", 1.5) - 23) / 20)
    around = [noise.standard_normal(round(rate * draw.uniform(0.08, 0.2))) * 1e-3 for _ in range(2)]
    whole = np.concatenate([around[0], samples, around[1]])
    return np.tanh(whole).astype(np.float32), rate


def _trimmed(samples: Samples) -> Samples:
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def _bend(samples: Samples, rate: int, rise: float, tremor: float) -> Samples:
    """Play faster or slower along the way, which bends the pitch with it; trembling moves the loudness as well."""
    time = np.arange(len(samples)) / rate
    wave = np.sin(2 * np.pi * 7.0 * time)
    speed = 2.0 ** (rise * (time / time[-1]) ** 2) * (1 + 0.09 * tremor * wave)
    places = np.concatenate([[0.0], np.cumsum(speed)])
    places = places[places < len(samples) - 1]
    bent = np.interp(places, np.arange(len(samples)), samples)
    wave = np.sin(2 * np.pi * 7.0 * np.arange(len(bent)) / rate + 1.0)
    return (bent * (1 - 0.5 * min(1.0, tremor) * (0.5 + 0.5 * wave))).astype(np.float32)


def _creak(samples: Samples, rate: int, depth: float) -> Samples:
    beat = np.clip(np.sin(2 * np.pi * 35.0 * np.arange(len(samples)) / rate) * 3, -1, 1)
    return samples * (1 - depth * (0.5 + 0.5 * beat)).astype(np.float32)


def _drive(samples: Samples, amount: float) -> Samples:
    if amount <= 0:
        return samples
    loud = samples / (np.sqrt(np.mean(samples**2)) + 1e-9)
    return np.tanh(loud * (0.2 + 3 * amount)).astype(np.float32)


def _breathe(samples: Samples, rate: int, amount: float, noise: np.random.Generator) -> Samples:
    """Add air that follows the loudness of the voice."""
    if amount <= 0:
        return samples
    air = _tilt(noise.standard_normal(len(samples)).astype(np.float32), rate, 3.0)
    loudness = envelope(samples, rate, 0.05)
    return (samples * (1 - 0.5 * amount) + amount * loudness * air / np.sqrt(np.mean(air**2))).astype(np.float32)


def _tilt(samples: Samples, rate: int, slope: float) -> Samples:
    """Make it brighter (or, below 0, duller) by so many decibels an octave above 1 kHz."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(samples), 1 / rate), 1000.0) / 1000.0)
    return np.fft.irfft(spectrum * 10 ** (slope * octaves / 20), len(samples)).astype(np.float32)


def envelope(samples: Samples, rate: int, seconds: float) -> Samples:
    """The loudness (root mean square) around each sample."""
    width = max(1, round(rate * seconds))
    power = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    at = np.arange(len(samples))
    low, high = np.maximum(at - width // 2, 0), np.minimum(at + width // 2 + 1, len(samples))
    return np.sqrt((power[high] - power[low]) / (high - low)).astype(np.float32)
