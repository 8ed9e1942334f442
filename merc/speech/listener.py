"""A recording as it is heard: utterances, one after the other, and what is to be said of the whole."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from merc.components import (
    AudioClip,
    Missing,
    Segmenter,
    SegmentFunction,
    SpanStream,
    SpeechSpan,
    TranscribeFunction,
    Transcriber,
    Transcript,
)
from merc.consent import require
from merc.conversation import Utterance
from merc.errors import MercError
from merc.media import Decoders, Limits, Want, probe_media
from merc.media.container import Unreadable
from merc.recipe.single import load_part
from merc.registry import get_registry
from merc.speech.account import Account
from merc.speech.passages import Passage, Said, passages, utterances_of
from merc.speech.streaming import LiveHearing

DEFAULT = "default"
"""The name under which a plugin registers the component that is used where nobody names one."""

_FINDING = 0.2
"""The share of the work that finding speech is counted as; the rest is writing down what is said."""

Progress = Callable[[float, str], None]


class Listener:
    """Hears recordings: a segmenter finds speech in them, and a transcriber writes down what is said. Both are loaded
    when they are first needed, and kept. It may be used from several threads; the transcriber works for one at a time.

    Args:
        segmenter: A ``merc.Segmenter``, or its name and parameters as a text: "speaker-clusters speakers=2". By default
            the one that a plugin registers as "default".
        transcriber: A ``merc.Transcriber``, or a text: "whisper path=./whisper-small".
        device: Where they compute: "cpu", "cuda".
        limits: What decoding one stretch of a recording may cost.

    Raises:
        MercError: There is no such component, or no default one is installed.
    """

    def __init__(
        self,
        segmenter: Segmenter | str | None = None,
        transcriber: Transcriber | str | None = None,
        *,
        device: str = "cpu",
        limits: Limits | None = None,
    ) -> None:
        self.segmenter: Segmenter = _component("segmenter", Segmenter, segmenter)
        self.transcriber: Transcriber = _component("transcriber", Transcriber, transcriber)
        self.device, self.limits = device, limits
        self._loaded: tuple[SegmentFunction, TranscribeFunction] | None = None
        self._streams: Callable[[], SpanStream] | None = None
        self._loading, self._transcribing = threading.Lock(), threading.Lock()

    def hear(
        self,
        recording: Path,
        *,
        name: str | None = None,
        progress: Progress = lambda share, text: None,
        skip: int = 0,
        count: int = 0,
    ) -> Hearing:
        """A recording, to be heard as its utterances are taken.

        Args:
            recording: A file with sound; its pictures come along as the utterances' ``video``.
            name: The conversation's id, from which utterances have theirs: ``NAME_u0``; by default the file's name.
            progress: Is given the share that is done, and what is being done.
            skip: How many passages were written down before, and are not again.
            count: How many utterances these have.

        Raises:
            MercError: The file is not there, cannot be read, or has no audio track.
        """
        info = probe_media(recording, self.limits)
        if not info.audio:
            raise Unreadable(f"{recording.name} has no audio track, so nothing is heard in it")
        return Hearing(
            listener=self, recording=recording, name=name or recording.stem, title=recording.name,
            seconds=info.seconds, video=info.video, progress=progress, skip=skip, count=count,
        )  # fmt: skip

    def live(self, name: str = "live", rate: int = 16_000) -> LiveHearing:
        """A conversation that goes on, to be heard while it is spoken.

        Args:
            name: Its id, from which utterances have theirs: ``NAME_u0``.
            rate: Samples a second of its sound, which is mono.

        Raises:
            MercError: The segmenter must hear a recording to its end.
        """
        with self._loading:
            if self._streams is None:
                require(self.segmenter, f"{self.segmenter.kind} {type(self.segmenter).__name__}")
                self._streams = self.segmenter.stream(self.device)
        return LiveHearing(self, self._streams(), name, rate)

    def load(self) -> tuple[SegmentFunction, TranscribeFunction]:
        """The functions of the two, loaded the first time."""
        with self._loading:
            if self._loaded is None:
                for component in (self.segmenter, self.transcriber):
                    require(component, f"{component.kind} {type(component).__name__}")
                self._loaded = self.segmenter.load(self.device), self._one_at_a_time(self.transcriber.load(self.device))
            return self._loaded

    def _one_at_a_time(self, transcribe: TranscribeFunction) -> TranscribeFunction:
        """Nothing says that a transcriber's network may be shared."""

        def alone(clips: Sequence[AudioClip]) -> Sequence[Transcript | Missing]:
            with self._transcribing:
                return transcribe(clips)

        return alone


def has_default() -> bool:
    """Whether an installed plugin brings what recordings are heard with where nobody names it."""
    registry = get_registry()
    return all(
        any(name.rpartition("/")[2] == DEFAULT for name in registry.names(kind))
        for kind in ("segmenter", "transcriber")
    )


def _component(kind: str, contract: type, choice: Any) -> Any:
    if isinstance(choice, contract):
        return choice
    if not isinstance(choice, str | None):
        raise MercError(
            f"{kind} is {type(choice).__name__}; give a merc.{contract.__name__}, or a name and parameters as a text"
        )
    if choice is None and not has_default():
        raise MercError(
            f"no {kind} is installed, which a recording without a transcript needs; install merc-speech, or give the "
            "words and times in a .jsonl file of conversations"
        )
    try:
        name, *parameters = shlex.split(choice if choice is not None else DEFAULT) or [""]
    except ValueError as error:
        raise MercError(f"{kind} {choice!r}: {error}; write a name and key=value, as in 'name key=value'") from None
    return load_part(kind, name, {}, parameters).component


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A passage: the utterances that are heard at once."""

    utterances: list[Utterance]


@dataclass(kw_only=True, eq=False)
class Hearing(Account):
    """One recording as it is heard: utterances in the order in which they begin. It is iterated once; then its
    ``notes`` say what there is to say of the whole.

    ``sound`` are the seconds that could be heard so far, ``speech`` those of them in which somebody speaks.
    """

    listener: Listener
    recording: Path
    seconds: float | None
    video: bool
    progress: Progress
    skip: int = 0
    fault: str = ""
    _found: float = 0.0
    _written: float = 0.0

    def __iter__(self) -> Iterator[Utterance]:
        for heard in self.passages():
            yield from heard.utterances

    def passages(self) -> Iterator[Heard]:
        """The utterances of each passage that is heard at once, as they come."""
        segment, transcribe = self.listener.load()
        decoders = Decoders(self.listener.limits)
        spans = self._counted(segment(self._windows(decoders)))
        # Counted, not by their times: somebody may speak while a passage of another is not at its end.
        new = islice(passages(spans, self.listener.transcriber.passage()), self.skip, None)
        while batch := list(islice(new, max(self.listener.transcriber.batch, 1))):
            heard = self._heard(decoders, batch, transcribe)
            for passage, transcript in zip(batch, heard, strict=True):
                spoken = utterances_of(passage, transcript, self.listener.transcriber)
                utterances = [self._utterance(one) for one in spoken]
                self._report(written=passage[-1].end, text=next((u.text for u in utterances[::-1] if u.text), ""))
                yield Heard(utterances=utterances)
        if self.fault and not self.sound:
            raise Unreadable(self.fault)
        self.progress(1.0, f"{self.count} utterances")

    def _windows(self, decoders: Decoders) -> Iterator[Any]:
        self.progress(0.0, "listening")
        try:
            for window in decoders.listen(self.recording, self.listener.segmenter.sampling().rate):
                self.sound += window.clip.seconds
                self._report(segmented=window.end)
                yield window
        except Unreadable as error:  # what was heard until then is there
            self.fault = str(error)

    def _report(self, segmented: float = 0.0, written: float = 0.0, text: str = "") -> None:
        self._found, self._written = max(self._found, segmented), max(self._written, written)
        if not self.seconds:
            return
        done = [min(one / self.seconds, 1.0) for one in (self._found, self._written)]
        at = f"{clock(self._written or self._found)} of {clock(self.seconds)}"
        self.progress(_FINDING * done[0] + (1 - _FINDING) * done[1], f"{at}{f' {text}' if text else ''}")

    def _counted(self, spans: Iterator[SpeechSpan]) -> Iterator[SpeechSpan]:
        for span in spans:
            self.count_span(span)
            yield span

    def _heard(
        self, decoders: Decoders, batch: Sequence[Passage], transcribe: TranscribeFunction
    ) -> Sequence[Transcript | Missing]:
        """What is said in each of some passages, of which those whose sound cannot be read are missing."""
        sampling = self.listener.transcriber.sampling()
        wants = [Want(sampling, passage[0].start, passage[-1].end) for passage in batch]
        clips = [decoded.clip for decoded in decoders.decode(self.recording, wants, seed=0)]
        sounds = [clip for clip in clips if isinstance(clip, AudioClip)]
        answers = transcribe(sounds) if sounds else []
        if len(answers) != len(sounds):
            raise MercError(
                f"{type(self.listener.transcriber).__name__} gave {len(answers)} transcripts of {len(sounds)} clips; "
                "it must give one for each"
            )
        remaining = iter(answers)
        return [next(remaining) if isinstance(clip, AudioClip) else _missing(clip) for clip in clips]

    def _utterance(self, spoken: Said) -> Utterance:
        return replace(
            self.utterance(spoken),
            video=self.recording if self.video else None,
            audio=None if self.video else self.recording,
            origin=str(self.recording),
        )

    def notes(self) -> list[str]:
        """What was heard of the recording and what was not, each a sentence."""
        return [*super().notes(), *([f"{self.fault}; what was heard before is there"] if self.fault else [])]


def _missing(clip: object) -> Missing:
    assert isinstance(clip, Missing)
    return clip


def clock(seconds: float) -> str:
    """A time as people read it.

    >>> clock(75.3), clock(3725)
    ('1:15', '1:02:05')
    """
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
