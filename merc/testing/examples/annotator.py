"""Example, an annotator: replace what it hears with what your teacher says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Annotator):
    """The cue ``prosody``, from the sound alone: how loud the voice is (above ``loud``, a root mean square, it is
    "loud") and whether it swells or fades."""

    loud: float = 0.1

    def fields(self) -> tuple[str, ...]:
        """The cues that it writes."""
        return ("prosody",)

    def audio(self) -> merc.Waveform:
        """The sound that it wants."""
        return merc.Waveform(rate=16_000)

    def load(self, device: str) -> Callable[[Sequence[merc.Observation]], list[Mapping[str, str] | merc.CannotEncode]]:
        """Get ready, once a run. Load the teacher in here."""

        def annotate(observations: Sequence[merc.Observation]) -> list[Mapping[str, str] | merc.CannotEncode]:
            return [self._describe(one.audio) for one in observations]

        return annotate

    def _describe(self, sound: merc.AudioClip | merc.CannotEncode) -> Mapping[str, str] | merc.CannotEncode:
        if isinstance(sound, merc.CannotEncode):
            return sound
        first, second = (float(np.sqrt(np.mean(np.square(half)))) for half in np.array_split(sound.samples, 2))
        level = "loud" if max(first, second) > self.loud else "quiet"
        return {"prosody": f"{level}, {'swelling' if second > first else 'fading'}"}
