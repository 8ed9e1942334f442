"""Speech that espeak speaks, in recordings whose words and times are known."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from merc.media.audio import resample

espeak = pytest.importorskip("merc_skits.espeak")

RATE = 16_000
ANN, BEN = "en-us+f4", "en-us+m3"

SENTENCES = (
    "I cannot believe that you did this to me yesterday.",
    "She has been waiting for the letter since Monday.",
    "Please do not tell anybody about our plan.",
)


@dataclass(frozen=True)
class Line:
    """What a voice says, from ``start`` to ``end`` seconds."""

    voice: str
    text: str
    start: float
    end: float


def say(text: str, voice: str = ANN, pace: int = 165) -> npt.NDArray[np.float32]:
    """A text as sound at 16 kHz."""
    samples, rate = espeak.speak(text, espeak.Manner(voice, pace, 45, 45))
    return resample(samples, rate, RATE).samples


def talk(
    lines: Sequence[tuple[str, str]], pause: float = 0.8, first: float = 1.0
) -> tuple[npt.NDArray[np.float32], list[Line]]:
    """Voices that speak one after the other, with a pause after each, and when they do."""
    parts, at, spoken = [np.zeros(round(first * RATE), np.float32)], first, []
    for voice, text in lines:
        sound = say(text, voice)
        parts += [sound, np.zeros(round(pause * RATE), np.float32)]
        spoken.append(Line(voice, text, at, at + len(sound) / RATE))
        at += len(sound) / RATE + pause
    return np.concatenate(parts), spoken


def write_wav(path: Path, samples: npt.NDArray[np.float32], rate: int = RATE) -> Path:
    """Mono sound of 16 bits."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path
