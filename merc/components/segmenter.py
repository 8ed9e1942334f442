"""Segmenter: where in a recording somebody speaks, and who."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from merc.components.base import Component
from merc.components.encoder import AudioClip, Waveform
from merc.errors import MercError


@dataclass(frozen=True, kw_only=True, eq=False)
class SoundWindow:
    """A stretch of a recording's sound."""

    start: float
    """Where it begins, in seconds of the recording."""
    clip: AudioClip
    """Its sound, at the rate that the segmenter asks for."""

    @property
    def end(self) -> float:
        """Where it ends, in seconds of the recording."""
        return self.start + self.clip.seconds


@dataclass(frozen=True, kw_only=True)
class SpeechSpan:
    """A stretch of speech. ValueError for one that does not end after it starts.

    >>> SpeechSpan(start=2.0, end=1.5)
    Traceback (most recent call last):
    ValueError: a span of speech ends after it starts; this one is from 2.0 to 1.5 s
    """

    start: float
    """Where it begins, in seconds of the recording."""
    end: float
    """Where it ends, in seconds of the recording."""
    speaker: str | None = None
    """A name for whoever speaks, the same for all that this person says in the recording; ``None`` where speakers are
    not told apart."""
    unsure: str | None = None
    """Why the speaker may be another, where there is a doubt."""

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a span of speech ends after it starts; this one is from {self.start} to {self.end} s")

    @property
    def seconds(self) -> float:
        """How long it lasts, in seconds."""
        return self.end - self.start


SegmentFunction = Callable[[Iterable[SoundWindow]], Iterator[SpeechSpan]]
"""Takes the windows of one recording, in order, each once, and yields its spans of speech by when they start.

Windows are decoded as they are taken, so a function that keeps no more of them than it works on can hear a recording of
any length. It yields a span as soon as it is known; one that compares all voices yields its first when the last window
is heard. It is called once for each recording; recordings may be heard at the same time in several threads.
"""


class SpanStream(Protocol):
    """The sound of one conversation that goes on, and the speech in it (``Segmenter.stream``)."""

    @property
    def open(self) -> SpeechSpan | None:
        """The span that goes on: as it would be if nobody spoke any more. None while nobody speaks."""

    @property
    def spoken(self) -> float:
        """Until when somebody was last heard, in seconds of the conversation; a span may end a little later."""

    def add(self, window: SoundWindow) -> Sequence[SpeechSpan]:
        """The next sound, however short; gives the spans that it ended."""

    def close(self) -> Sequence[SpeechSpan]:
        """The span that the end of all sound ends."""


@dataclass(frozen=True, kw_only=True)
class Segmenter(Component):
    """Finds speech in a recording: each span becomes an utterance, or several where the transcriber hears several
    sentences in it.

    A window begins where the one before it ended, or later, where the recording has no sound in between; a span stays
    within what was heard. Where several people speak at once their spans may overlap.

    The smallest complete segmenter:

    >>> from dataclasses import dataclass
    >>> import merc
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Everything(merc.Segmenter):
    ...     def load(self, device):
    ...         return lambda windows: (merc.SpeechSpan(start=one.start, end=one.end) for one in windows)
    >>> import numpy as np
    >>> clip = merc.AudioClip(samples=np.zeros(16_000, "float32"), rate=16_000)
    >>> list(Everything().load("cpu")([merc.SoundWindow(start=3.0, clip=clip)]))
    [SpeechSpan(start=3.0, end=4.0, speaker=None, unsure=None)]
    """

    kind: ClassVar[str] = "segmenter"

    def sampling(self) -> Waveform:
        """The sound that it wants: mono at a rate, 16 kHz unless it says otherwise."""
        return Waveform()

    @abstractmethod
    def load(self, device: str) -> SegmentFunction:
        """Get ready, once, and give the function that finds speech.

        Args:
            device: Where a network computes: "cpu", "cuda".

        Raises:
            MercError: The user has to do something (weights that are not there).
        """

    def stream(self, device: str) -> Callable[[], SpanStream]:
        """Get ready, once, for sound that goes on, and give what makes a stream for each conversation. Streams may be
        used at the same time in several threads.

        Spans are those of ``load``'s function, each as soon as it has ended, so a segmenter that compares all voices of
        a recording has no streams, which is the default.

        Args:
            device: Where a network computes: "cpu", "cuda".

        Raises:
            MercError: It must hear a recording to its end, or the user has to do something.
        """
        raise MercError(
            f"segmenter {type(self).__name__} must hear a recording to its end, so it cannot be used live; use one "
            "that finds speech while it is spoken, such as silero"
        )
