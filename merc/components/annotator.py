"""Annotator: a teacher that writes cues, texts that stand beside an utterance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from merc.components.base import Component
from merc.components.encoder import AudioClip, CannotEncode, Frames, VideoClip, Waveform
from merc.components.prompter import Query


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What an annotator is shown of one utterance: the query, and the media that it asked for where they exist."""

    query: Query
    video: VideoClip | CannotEncode
    audio: AudioClip | CannotEncode


AnnotateFunction = Callable[[Sequence[Observation]], Sequence["Mapping[str, str] | CannotEncode"]]


@dataclass(frozen=True, kw_only=True)
class Annotator(Component):
    """Writes cues for utterances: ``{"face": "...", "body": "..."}``, each field one of ``fields()``.

    An annotator describes what it saw or measured. Where it saw nothing it returns ``CannotEncode`` with the reason
    and invents no text.
    """

    kind: ClassVar[str] = "annotator"
    version: ClassVar[str] = "1"
    batch: ClassVar[int] = 1

    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The names of the cues that it writes."""

    @abstractmethod
    def load(self, device: str) -> AnnotateFunction:
        """Get ready, and give the function that annotates a batch of utterances."""

    def video(self) -> Frames | None:
        """The frames that it wants, if any."""
        return None

    def audio(self) -> Waveform | None:
        """The sound that it wants, if any."""
        return None
