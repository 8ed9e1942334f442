"""A conversation as it is spoken: its sound comes in small pieces, and each utterance is written down when it ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt

from merc.components import AudioClip, SoundWindow, SpeechSpan
from merc.components.segmenter import SpanStream
from merc.conversation import Utterance
from merc.errors import MercError
from merc.media.audio import resample
from merc.speech.account import Account
from merc.speech.passages import Said, utterances_of

if TYPE_CHECKING:
    from merc.speech.listener import Listener

Samples = npt.NDArray[np.float32]

_REACH = 10.0
"""So many seconds of sound are kept beside the span that goes on: a span begins a little before it is known."""


class LiveHearing:
    """The sound of a conversation that goes on; ``Listener.live`` gives one.

    ``add`` only finds speech, which takes little; ``said`` writes a span down, and may be called in another thread.
    Spans are those of the same sound as a recording. Each is written down by itself: neighbouring ones are not waited
    for, which ``hear`` does with a transcriber that has a ``passage()``.
    """

    def __init__(self, listener: Listener, spans: SpanStream, name: str, rate: int) -> None:
        if rate < 1:
            raise MercError(f"the rate is {rate}; samples a second are wanted, such as 16000")
        self.listener, self.rate = listener, rate
        self.heard = 0.0
        """Seconds of sound so far."""
        self.account = Account(name=name, title=name)
        self._spans = spans
        self._converter = Converter(rate, listener.segmenter.sampling().rate)
        self._kept: deque[tuple[int, Samples]] = deque()
        self._samples = 0

    @property
    def open(self) -> SpeechSpan | None:
        """The span that goes on, as it would be if nobody spoke any more; None while nobody speaks."""
        return self._spans.open

    @property
    def spoken(self) -> float:
        """Until when somebody was last heard, in seconds."""
        return self._spans.spoken

    def add(self, samples: Samples) -> list[SpeechSpan]:
        """The next sound, mono float32 from -1 to 1; gives the spans that it ended."""
        if len(samples):
            self._kept.append((self._samples, samples))
            self._samples += len(samples)
            self.heard = self._samples / self.rate
        return self._found(self._converter.add(samples))

    def close(self) -> list[SpeechSpan]:
        """The spans that the end of the sound ends."""
        return [*self._found(self._converter.rest()), *self._counted(self._spans.close())]

    def clip(self, start: float, end: float) -> AudioClip:
        """The sound from ``start`` to ``end`` seconds, at the rate that it came in, as far as it is kept: that of the
        span that goes on, and of the last ten seconds."""
        first, last = round(start * self.rate), round(end * self.rate)
        parts = [samples[max(first - at, 0) : max(last - at, 0)] for at, samples in tuple(self._kept)]
        return AudioClip(samples=np.concatenate([*parts, np.zeros(0, np.float32)]), rate=self.rate)

    def said(self, span: SpeechSpan, clip: AudioClip) -> list[Said]:
        """What is said in a span, a sentence an utterance where the transcriber gives times."""
        transcriber = self.listener.transcriber
        _, transcribe = self.listener.load()
        sampling = transcriber.sampling()
        if clip.seconds < sampling.min_seconds:
            return [Said(span=span, reason=f"{clip.seconds:.2f} s of sound; {sampling.min_seconds:.2f} s are needed")]
        (heard,) = transcribe([resample(clip.samples, clip.rate, sampling.rate)])
        return utterances_of([span], heard, transcriber)

    def utterance(self, sentence: Said) -> Utterance:
        """What was said as the next utterance, with its number and what is known of its words; it counts from now
        on."""
        return self.account.utterance(sentence)

    def notes(self) -> list[str]:
        """What was heard and what was not, each a sentence."""
        return self.account.notes()

    def _found(self, samples: Samples) -> list[SpeechSpan]:
        if not len(samples):
            return []
        rate = self.listener.segmenter.sampling().rate
        window = SoundWindow(start=self.account.sound, clip=AudioClip(samples=samples, rate=rate))
        self.account.sound = window.end
        spans = self._counted(self._spans.add(window))
        still = self._spans.open
        oldest = min(self.heard - _REACH, still.start if still else self.heard, *(span.start for span in spans))
        while len(self._kept) > 1 and self._kept[1][0] <= oldest * self.rate:
            self._kept.popleft()
        return spans

    def _counted(self, spans: Sequence[SpeechSpan]) -> list[SpeechSpan]:
        for span in spans:
            self.account.count_span(span)
        return list(spans)


class Converter:
    """Sound in pieces to another rate: as it would be in one piece, but for a few samples at its end."""

    def __init__(self, source: int, rate: int) -> None:
        self.source = source
        self._resampler = None if source == rate else av.AudioResampler(format="flt", layout="mono", rate=rate)
        self._at = 0

    def add(self, samples: Samples) -> Samples:
        """What is known of the sound with the next piece."""
        if self._resampler is None or not len(samples):
            return samples
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="flt", layout="mono")
        frame.rate, frame.pts, self._at = self.source, self._at, self._at + len(samples)
        return self._joined(self._resampler.resample(frame))

    def rest(self) -> Samples:
        """What is left when the last piece has come."""
        return np.zeros(0, np.float32) if self._resampler is None else self._joined(self._resampler.resample(None))

    @staticmethod
    def _joined(frames: Sequence[av.AudioFrame]) -> Samples:
        parts = [frame.to_ndarray()[0] for frame in frames]
        joined: Samples = np.concatenate([*parts, np.zeros(0, np.float32)])
        within: Samples = np.clip(joined, -1.0, 1.0, dtype=np.float32)
        return within
