"""The contract of corruptions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from merc.components import AudioClip, Clip, Corruption, Frames, Missing, TextClip, VideoClip, Waveform, Words
from merc.components.encoder import Modality
from merc.testing import samples
from merc.testing.contract import ComponentContract, require

_SAMPLINGS: Mapping[Modality, Frames | Waveform | Words] = {
    "video": Frames(count=4),
    "audio": Waveform(),
    "text": Words(),
}


class CorruptionContract(ComponentContract):
    """What a corruption must keep. Override ``clips`` for one that wants something of a clip."""

    kind = "corruption"
    component: ClassVar[Corruption]

    def clips(self) -> Sequence[Clip]:
        """Clips of each of its modalities."""
        return [clip for modality in self.component.modalities for clip in samples.clips(_SAMPLINGS[modality])]

    def _seen(self, clip: Clip, severity: float, seed: int = 0) -> Clip | Missing:
        return self.component.apply(clip, severity, np.random.Generator(np.random.PCG64(seed)))

    def test_gives_clips_of_the_same_kind(self) -> None:
        """As its docstring has them, whatever the severity, or Missing with a reason."""
        for severity in self.component.severities:
            for clip in self.clips():
                seen = self._seen(clip, severity)
                where = f"apply() at severity {severity:g} gives"
                require(isinstance(seen, type(clip) | Missing), f"{where} {type(seen).__name__} for {_name(clip)}")
                fault = seen.reason == "" if isinstance(seen, Missing) else _fault(clip, seen)
                require(not fault, f"{where} for {_name(clip)} what is no such clip: {fault or 'no reason'}")

    def test_leaves_the_clip_alone(self) -> None:
        """Other rows of the table see the same clip."""
        for clip in self.clips():
            before = _content(clip)
            self._seen(clip, self.component.severities[-1])
            require(_content(clip) == before, f"apply() changes the {_name(clip)} that it is given; change a copy")

    def test_same_random_numbers_give_the_same_clip(self) -> None:
        """What is random comes from ``rng`` alone."""
        for severity in self.component.severities:
            for clip in self.clips():
                one, two = self._seen(clip, severity), self._seen(clip, severity)
                require(
                    _content(one) == _content(two), f"apply() gives two results at severity {severity:g}, asked twice"
                )
            rngs = [np.random.Generator(np.random.PCG64(3)) for _ in range(2)]
            once, again = (self.component.withholds(severity, rng) for rng in rngs)
            require(once == again, f"withholds() gives {once} and {again} at severity {severity:g}, asked twice")

    def test_changes_something(self) -> None:
        """At its last severity some clip is another one, or some utterance lacks its streams."""
        severity = self.component.severities[-1]
        changes = any(_content(self._seen(clip, severity)) != _content(clip) for clip in self.clips())
        rngs = [np.random.Generator(np.random.PCG64(seed)) for seed in range(100)]
        withholds = any(self.component.withholds(severity, rng) for rng in rngs)
        require(changes or withholds, f"{self.title} changes nothing of the clips of this check at {severity:g}")

    def test_refuses_severities_that_cannot_be(self) -> None:
        """A severity that is no finite number is refused, with a sentence."""
        for severity in (math.nan, math.inf):
            fault = self.component.fault(severity)
            require(fault, f"fault({severity}) finds nothing wrong; say what a severity can be")

    def test_rows_are_of_its_severities_and_streams(self) -> None:
        """One row at least, each once, of the streams that it was given."""
        streams: Mapping[str, Modality] = {f"my-{one}": one for one in self.component.modalities}
        rows = list(self.component.cases(streams))
        require(rows and len(set(rows)) == len(rows), f"cases() gives {rows}; each row should be there once")
        for severity, own in rows:
            known = severity in self.component.severities and set(own) <= set(streams)
            require(
                known, f"cases() gives the row {severity:g} {own}, which is not of its severities and {list(streams)}"
            )


def _name(clip: Clip | Missing) -> str:
    return type(clip).__name__


def _content(clip: Clip | Missing) -> tuple[object, ...]:
    if isinstance(clip, VideoClip):
        return clip.frames.shape, clip.frames.tobytes(), clip.times.tobytes()
    if isinstance(clip, AudioClip):
        return clip.rate, clip.samples.tobytes()
    return (clip,)


def _fault(clip: Clip, seen: Clip) -> str:
    """What of a clip's arrays is not as it has to be."""
    if isinstance(seen, VideoClip) and isinstance(clip, VideoClip):
        if seen.frames.dtype != np.uint8 or seen.frames.ndim != 4 or seen.frames.shape[1:] != clip.frames.shape[1:]:
            return f"frames {seen.frames.dtype} {seen.frames.shape}, from {clip.frames.dtype} {clip.frames.shape}"
        in_order = len(seen.times) == len(seen.frames) > 0 and bool((np.diff(seen.times) >= 0).all())
        return "" if in_order else f"{len(seen.times)} times, in order, for {len(seen.frames)} frames"
    if isinstance(seen, AudioClip) and isinstance(clip, AudioClip):
        if seen.samples.dtype != np.float32 or seen.samples.ndim != 1 or seen.rate != clip.rate:
            return f"samples {seen.samples.dtype} {seen.samples.shape} at {seen.rate} Hz; float32 [n] at {clip.rate} Hz"
        return "" if np.isfinite(seen.samples).all() else "samples that are not finite"
    return "" if isinstance(seen, TextClip) and isinstance(seen.text, str) else "no text"
