"""The contract of transcribers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from merc.components import AudioClip, Clip, Missing, Transcriber, Transcript, Waveform
from merc.testing import samples
from merc.testing.contract import ComponentContract, require

_ROUNDING = 0.05
"""Words may reach so many seconds beyond the clip: models know times in steps."""


class TranscriberContract(ComponentContract):
    """What a transcriber must keep. Override ``clips`` with speech where tones are none for it."""

    kind = "transcriber"
    component: ClassVar[Transcriber]
    device: ClassVar[str] = "cpu"
    """Where it computes."""

    def clips(self) -> Sequence[Clip]:
        """At least two clips, as its ``sampling`` asks for; it must hear words in at least one."""
        return samples.clips(self.component.sampling())

    def transcripts(self, clips: Sequence[Any]) -> list[Transcript | Missing]:
        """What a newly loaded function gives, checked for its form."""
        answer = list(self.component.load(self.device)(clips))
        require(
            len(answer) == len(clips),
            f"{len(clips)} clips went into {self.title} and {len(answer)} answers came out; it must be one a clip",
        )
        for number, one in enumerate(answer):
            require(
                isinstance(one, Transcript | Missing),
                f"clip {number}: {self.title} gives {type(one).__name__}; it must give merc.Transcript or merc.Missing",
            )
            if isinstance(one, Missing):
                require(one.reason.strip(), f"Missing for clip {number} says no reason")
            else:
                self._check(number, one, clips[number])
        return answer

    def _check(self, number: int, answer: Transcript, clip: AudioClip) -> None:
        where = f"clip {number}: {self.title} gives"
        require(
            bool(answer.words) or not answer.text.strip() or not self.component.passage(),
            f"{where} a text without words; passage() says that it hears several spans at once, which are told apart "
            "by the times of words",
        )
        times = [(word.start, word.end) for word in answer.words]
        require(times == sorted(times), f"{where} words whose times are not in order: {times[:5]}")
        for word in answer.words:
            require(
                0 <= word.start <= word.end <= clip.seconds + _ROUNDING,
                f"{where} the word {word.text!r} from {word.start} to {word.end} s of a clip of {clip.seconds:.2f} s",
            )
            require(
                word.probability is None or 0 <= word.probability <= 1,
                f"{where} the word {word.text!r} the probability {word.probability}; it is from 0 to 1, or None",
            )
        reason = self.component.doubt(answer.words, None)
        require(
            reason is None or (isinstance(reason, str) and bool(reason.strip())),
            f"doubt() of {self.title} gives {reason!r}; it must give a reason or None",
        )

    def test_it_wants_sound(self) -> None:
        """``sampling`` gives a Waveform, ``passage`` seconds."""
        answer, passage = self.component.sampling(), self.component.passage()
        require(
            isinstance(answer, Waveform),
            f"sampling() of {self.title} gives {type(answer).__name__}; it must give merc.Waveform",
        )
        require(passage >= 0, f"passage() of {self.title} gives {passage}; it is in seconds, or 0")

    def test_a_transcript_for_each_clip(self) -> None:
        """Each clip gets one Transcript, or Missing with its reason."""
        answer = self.transcripts(self.clips())
        require(
            any(isinstance(one, Transcript) and one.text.strip() for one in answer),
            f"{self.title} heard no words in any clip, so nothing was checked; override clips() with speech",
        )

    def test_same_clip_gives_same_words(self) -> None:
        """Loading again gives the very same, whatever other clips are beside it."""
        clips = list(self.clips())
        first = self.transcripts(clips)
        backwards = self.transcripts(clips[::-1])[::-1]
        for number, (one, two) in enumerate(zip(first, backwards, strict=True)):
            require(
                _text(one) == _text(two),
                f"clip {number} gives {_text(one)!r}, and {_text(two)!r} in another batch; decode without chance, and "
                "let padding change nothing",
            )

    def test_silence_raises_nothing(self) -> None:
        """A silent clip gives no words, or the reason."""
        rate = self.component.sampling().rate
        self.transcripts([AudioClip(samples=np.zeros(rate, np.float32), rate=rate)])

    def test_clips_are_left_as_they_are(self) -> None:
        """A clip may be shown to others too, so none may write into it."""
        clips: list[Any] = list(self.clips())
        untouched: list[Any] = list(self.clips())
        self.transcripts(clips)
        for number, (clip, original) in enumerate(zip(clips, untouched, strict=True)):
            require(
                np.array_equal(clip.samples, original.samples), f"{self.title} wrote into clip {number}; copy it first"
            )


def _text(answer: Transcript | Missing) -> str:
    return answer.reason if isinstance(answer, Missing) else answer.text
