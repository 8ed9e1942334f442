"""Annotator ``audio-tone``: how a voice sounds, measured, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from merc_bemerc import measurer

from merc import Annotation, Annotator, AudioClip, Missing, Observation, Waveform

if TYPE_CHECKING:
    from merc import AnnotateFunction

_QUIET = 0.08
"""Sound below this share of the loudest stretch is a pause."""
_STEP = 0.02
"""Seconds of a stretch of sound whose loudness is one number."""
_USUAL: Mapping[str, tuple[float, float]] = {"loudness": (0.5, 1.2), "pitch_variation": (2.5, 5.5), "rate": (2.5, 4.5)}
"""What is usual of a voice, from and to; below is low, above high."""


@dataclass(frozen=True, kw_only=True)
class AudioTone(Annotator):
    """Writes ``audio_tone``, in words: pitch and how it moves, loudness and how it changes, rate, and pauses, measured
    by openSMILE (eGeMAPSv02) and from the sound's envelope; and ``audio_measures``, the numbers as JSON. It needs no
    model."""

    prosody: bool = False
    """Whether the cue ``prosody``, which another annotator writes, stands in it too: how the speaker sounds compared
    with how that speaker usually does."""
    pause: float = 0.25
    """From how many seconds on a quiet stretch within the speech is a pause."""

    def __post_init__(self) -> None:
        if self.pause <= 0:
            raise ValueError(f"pause is a time in seconds above 0, not {self.pause:g}")

    def fields(self) -> tuple[str, ...]:
        """``audio_tone`` and ``audio_measures``."""
        return ("audio_tone", "audio_measures")

    def reads(self) -> tuple[str, ...]:
        """``prosody`` where that is asked for."""
        return ("prosody",) if self.prosody else ()

    def audio(self) -> Waveform:
        """The sound at 16 kHz, at least 0.3 s of it."""
        return Waveform(min_seconds=0.3)

    def load(self, device: str) -> AnnotateFunction:
        """Get openSMILE ready."""
        measure = measurer()

        def describe(one: Observation) -> Annotation:
            if isinstance(one.audio, Missing):
                return Annotation(reason=one.audio.reason)
            voice = measure(one.audio)
            if isinstance(voice, Missing):
                return Annotation(reason=voice.reason)
            measured = {**voice, **contour(one.audio, self.pause)}
            text = tell(measured)
            if relative := one.query.target.cues.get("prosody"):
                text = f"{text} Compared with how the speaker usually sounds: {relative}."
            numbers = json.dumps({name: round(value, 3) for name, value in measured.items()})
            return Annotation(cues={"audio_tone": text, "audio_measures": numbers})

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                yield one.query.target.id, describe(one)

        return annotate


def contour(clip: AudioClip, pause: float) -> dict[str, float]:
    """What the envelope of a sound says: how many ``pauses`` there are within the speech and how many seconds
    (``paused``) they take together, and by how many decibels it ``swells`` from its first to its last third."""
    size = max(1, round(_STEP * clip.rate))
    count = len(clip.samples) // size
    if count < 3:
        return {"pauses": 0.0, "paused": 0.0}
    loud = np.sqrt(np.mean(np.square(clip.samples[: count * size].astype(float).reshape(count, size)), axis=1))
    speech = np.flatnonzero(loud >= _QUIET * loud.max())
    inside = loud[speech[0] : speech[-1] + 1]
    quiet = np.concatenate([[False], inside < _QUIET * loud.max(), [False]])
    edges = np.flatnonzero(quiet[1:] != quiet[:-1])
    lengths = (edges[1::2] - edges[::2]) * _STEP
    long = lengths[lengths >= pause]
    thirds = np.array_split(inside, 3)
    levels = [float(np.sqrt(np.mean(np.square(third)))) for third in (thirds[0], thirds[2]) if len(third)]
    swells = 20 * float(np.log10((levels[1] + 1e-9) / (levels[0] + 1e-9))) if len(levels) == 2 else 0.0
    return {"pauses": float(len(long)), "paused": float(long.sum()), "swells": swells}


def tell(measured: Mapping[str, float]) -> str:
    """Measures in words.

    >>> tell({"loudness": 1.5, "rate": 5.0, "pitch": 30.0, "pitch_variation": 6.0, "pauses": 2.0, "paused": 0.9})
    'The voice is loud, speaks fast, with a pitch around 156 Hz that moves a lot. It pauses twice, for 0.9 s together.'
    """
    words = []
    if (loud := level(measured, "loudness")) is not None:
        words.append({-1: "is soft", 0: "has a usual loudness", 1: "is loud"}[loud])
    if (rate := level(measured, "rate")) is not None:
        words.append({-1: "speaks slowly", 0: "speaks at a usual rate", 1: "speaks fast"}[rate])
    if "pitch" in measured:
        hertz = 27.5 * 2 ** (measured["pitch"] / 12)
        moves = {-1: "hardly moves", 0: "moves a little", 1: "moves a lot", None: "was measured"}
        words.append(f"with a pitch around {hertz:.0f} Hz that {moves[level(measured, 'pitch_variation')]}")
    else:
        words.append("without a pitch that can be measured")
    sentences = [f"The voice {', '.join(words)}."]
    swells = measured.get("swells", 0.0)
    if abs(swells) >= 4:
        sentences.append("It grows louder to the end." if swells > 0 else "It grows softer to the end.")
    if pauses := int(measured.get("pauses", 0)):
        times = {1: "once", 2: "twice"}.get(pauses, f"{pauses} times")
        together = "" if pauses == 1 else " together"
        sentences.append(f"It pauses {times}, for {measured['paused']:.1f} s{together}.")
    return " ".join(sentences)


def level(measured: Mapping[str, float], name: str) -> int | None:
    """Whether a measure is below (-1), within (0) or above (1) what is usual; None where it was not measured."""
    if name not in measured:
        return None
    low, high = _USUAL[name]
    return int(measured[name] > high) - int(measured[name] < low)


def arousal(text: str | None) -> int | None:
    """How aroused a voice sounds by its cue ``audio_measures``: -1 low, 0 usual, 1 high; None where it says nothing."""
    try:
        measured = json.loads(text or "")
        levels = [one for name in _USUAL if (one := level(measured, name)) is not None]
    except (ValueError, TypeError, KeyError):
        return None
    if len(levels) < 2:
        return None
    together = sum(levels)
    return 1 if together >= 2 else -1 if together <= -2 else 0
