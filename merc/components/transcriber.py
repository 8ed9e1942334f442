"""Transcriber: what is said in a stretch of sound."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from merc.components.base import Component
from merc.components.encoder import AudioClip, Missing, Waveform


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word of a clip."""

    text: str
    """The word, with the marks that belong to it."""
    start: float
    """Where it begins, in seconds of the clip."""
    end: float
    """Where it ends, in seconds of the clip."""
    probability: float | None = None
    """How probable it is, from 0 to 1, where the model says so."""


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """What is said in a clip.

    >>> Transcript(words=(Word(text="Oh,", start=0.1, end=0.3), Word(text="no.", start=0.4, end=0.6))).text
    'Oh, no.'
    """

    text: str = ""
    """What is said; where it is empty it is made of the words."""
    words: tuple[Word, ...] = ()
    """The words with their times, where the model gives them."""
    language: str | None = None
    """The language's code, such as "en", where it is known."""

    def __post_init__(self) -> None:
        if not self.text:
            object.__setattr__(self, "text", " ".join(word.text.strip() for word in self.words))


TranscribeFunction = Callable[[Sequence[AudioClip]], Sequence["Transcript | Missing"]]
"""A batch of clips to what is said in each; Missing with the reason where that cannot be said."""


@dataclass(frozen=True, kw_only=True)
class Transcriber(Component):
    """Writes down what is said.

    A clip is a span of speech. Where ``passage`` says so, it is several neighbouring spans of one recording with the
    short pauses between them: their words are then told apart by their times, each span becomes an utterance of its
    own, and a sentence that ends within a span ends an utterance. ``batch`` clips at most are given at once.

    The smallest complete transcriber:

    >>> from dataclasses import dataclass
    >>> import merc
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Hum(merc.Transcriber):
    ...     def load(self, device):
    ...         return lambda clips: [merc.Transcript(text="Hm.") for clip in clips]
    >>> import numpy as np
    >>> clip = merc.AudioClip(samples=np.zeros(16_000, "float32"), rate=16_000)
    >>> [one.text for one in Hum().load("cpu")([clip])]
    ['Hm.']
    """

    kind: ClassVar[str] = "transcriber"
    batch: ClassVar[int] = 1

    def sampling(self) -> Waveform:
        """The sound that it wants: mono at a rate, 16 kHz unless it says otherwise."""
        return Waveform()

    def passage(self) -> float:
        """How many seconds of a recording it hears at once where its words have times; 0: every span alone."""
        return 0.0

    def doubt(self, words: Sequence[Word], confidence: float | None) -> str | None:
        """Why the words of a span are not to be used (they are no words of a language that it knows); the utterance
        then has no text. ``None``, the default, where they may be used.

        Args:
            words: The words of the span.
            confidence: The geometric mean of their probabilities, from 0 to 1, where they have some.
        """
        return None

    @abstractmethod
    def load(self, device: str) -> TranscribeFunction:
        """Get ready, once, and give the function that writes down what is said.

        Args:
            device: Where a network computes: "cpu", "cuda".

        Raises:
            MercError: The user has to do something (weights that are not there).
        """
