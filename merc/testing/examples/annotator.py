"""Example, an annotator: replace what it hears with what your teacher says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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

    def load(self, device: str) -> merc.AnnotateFunction:
        """Get ready, once a pass. Load the teacher in here."""

        def annotate(observations: Iterable[merc.Observation]) -> Iterator[tuple[str, merc.Annotation]]:
            for one in observations:
                yield one.query.target.id, self._describe(one.audio)

        return annotate

    def _describe(self, sound: merc.AudioClip | merc.Missing) -> merc.Annotation:
        if isinstance(sound, merc.Missing):
            return merc.Annotation(reason=sound.reason)
        first, second = (float(np.sqrt(np.mean(np.square(half)))) for half in np.array_split(sound.samples, 2))
        level = "loud" if max(first, second) > self.loud else "quiet"
        return merc.Annotation(cues={"prosody": f"{level}, {'swelling' if second > first else 'fading'}"})
