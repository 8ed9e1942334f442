"""Clues that a model on a server describes: what is to be seen, how a voice sounds, what words tell."""

from __future__ import annotations

import base64
import io
import wave
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from merc_bemerc import (
    Server,
    ServerTeacher,
    accepted,
    as_jpeg,
    ask_again,
    ask_until,
    picture_tokens,
    read,
    schema_of,
    sound_tokens,
)

from merc import Annotation, AudioClip, Frames, Missing, Observation, Query, Utterance, VideoClip, Waveform
from merc_annotation.key_frames import key_times
from merc_annotation.peak_frame import peak_time

if TYPE_CHECKING:
    from merc import AnnotateFunction

TONE = (
    "Listen to the recording. Describe how the voice sounds: pitch and how it moves, loudness, rate, pauses, breath, "
    "hesitations, laughter or crying."
)
"""What a model that hears is asked to describe."""
Part = dict[str, Any]
"""A part of a message: words, a picture or sound, as chat completions have them."""


@dataclass(frozen=True, kw_only=True)
class ClueTeacher(ServerTeacher):
    """Asks a model on a server for one clue, in English, at most 80 words; its answers are kept as they came."""

    asks: str
    """What the model is asked to describe."""
    before: int = 2
    """How many utterances before it are told."""

    clue: ClassVar[str]
    """The field that it writes."""
    history = True

    def fields(self) -> tuple[str, ...]:
        """The one clue."""
        return (self.clue,)

    def context(self, query: Query) -> Any:
        """The utterances before it that are told."""
        return [[one.speaker, one.text] for one in earlier(query, self.before)]

    def identity(self) -> Mapping[str, Any]:
        """What decides the answer: the model, what it is shown and asked, and not how the server is reached."""
        return {**super().identity(), "prompt": PROMPT}

    @abstractmethod
    def parts(self, one: Observation) -> list[Part] | Missing:
        """What the model is given beside words, or why there is nothing to give."""

    def load(self, device: str) -> AnnotateFunction:
        """Read the key and get the client ready. Raises MercError when the environment has no such variable."""
        server = Server(self, f"annotator of {self.clue}", schema_of(self.fields()))

        def describe(one: Observation) -> Annotation:
            media = self.parts(one)
            if isinstance(media, Missing):
                return Annotation(reason=media.reason)
            words = PROMPT.format(lines=lines_of(one.query, self.before), asks=self.asks, clue=self.clue)
            return ask_until(
                server,
                [{"role": "user", "content": [*media, {"type": "text", "text": words}]}],
                lambda answer, cut, raw: accepted(read(answer, cut, self.fields()), raw),
                lambda fault: ask_again(fault, self.fields()),
                self.attempts,
            )

        return self.answering(server, describe)


PROMPT = """\
{lines}

{asks} It belongs to the last line. Answer with one JSON object and nothing else: {{"{clue}": "..."}}, one to three \
plain English sentences of at most 40 words together, or null where nothing of it can be perceived. Describe what is \
there; name no emotion label."""


@dataclass(frozen=True, kw_only=True)
class VisualObjective(ClueTeacher):
    """Writes ``visual_objective``: who and what is to be seen (scene, people, gestures, objects), by a model that sees
    pictures: the peak frame, key frames, or frames in equal steps."""

    asks: str = "Describe who and what is to be seen in the picture: place, people, gestures, gaze, objects."
    """What the model is asked to describe."""
    shows: Literal["peak", "key", "uniform"] = "peak"
    """Which frames are sent: that of the cue ``peak_frame``, those of ``key_frames``, or ``frames`` in equal steps.
    Where the cue is lacking, ``frames`` in equal steps."""
    frames: int = 1
    """How many frames are sent where they are in equal steps, and the most key frames."""
    longest: int = 768
    """The most pixels of a picture's longer side."""

    clue = "visual_objective"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("frames", "longest"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} counts from 1, not {getattr(self, name)}")

    def reads(self) -> tuple[str, ...]:
        """``peak_frame`` or ``key_frames``, as ``shows`` says."""
        return {"peak": ("peak_frame",), "key": ("key_frames",), "uniform": ()}[self.shows]

    def video(self) -> Frames:
        """Frames in the video's own size."""
        return Frames(count=self.frames)

    def media_tokens(self, utterance: Utterance) -> float:
        """Those of its frames."""
        return self.frames * picture_tokens(self.longest)

    def video_for(self, query: Query) -> Frames:
        """The frames that the cues choose."""
        cues = query.target.cues
        if self.shows == "peak" and (time := peak_time(cues.get("peak_frame"))) is not None:
            return Frames.at(time)
        if self.shows == "key" and (times := key_times(cues.get("key_frames"))[: self.frames]):
            return Frames.at(*times)
        return self.video()

    def parts(self, one: Observation) -> list[Part] | Missing:
        """The pictures."""
        if not isinstance(one.video, VideoClip):
            return Missing(one.video.reason)
        pictures = [as_jpeg(frame, self.longest) for frame in one.video.frames]
        return [{"type": "image_url", "image_url": {"url": picture}} for picture in pictures]


@dataclass(frozen=True, kw_only=True)
class AudioToneTeacher(ClueTeacher):
    """Writes ``audio_tone``: how the voice sounds, by a model that hears (Qwen2-Audio behind vLLM, a hosted one). The
    sound is sent as a part of the kind ``input_audio``, WAV with 16 bits."""

    asks: str = TONE
    """What the model is asked to describe."""
    rate: int = 16_000
    """Samples of the sound in a second."""
    most_seconds: float = 60.0
    """Seconds of sound above which an utterance is not sent, and says so."""

    clue = "audio_tone"

    def audio(self) -> Waveform:
        """The sound, at least 0.3 s of it."""
        return Waveform(rate=self.rate, min_seconds=0.3)

    def media_tokens(self, utterance: Utterance) -> float:
        """Those of the sound."""
        return sound_tokens(utterance)

    def parts(self, one: Observation) -> list[Part] | Missing:
        """The sound."""
        if not isinstance(one.audio, AudioClip):
            return Missing(one.audio.reason)
        if one.audio.seconds > self.most_seconds:
            return Missing(
                f"{one.audio.seconds:.1f} s of sound; at most {self.most_seconds:g} s are sent (most_seconds)"
            )
        return [{"type": "input_audio", "input_audio": {"data": as_wav(one.audio), "format": "wav"}}]


@dataclass(frozen=True, kw_only=True)
class LexicalTeacher(ClueTeacher):
    """Writes ``lexical``: what the words tell (what they are about, to whom, with which intent), by a model that
    reads."""

    asks: str = "Describe what the words of the last line tell: what they are about, to whom, with which intent."
    """What the model is asked to describe."""

    clue = "lexical"

    def parts(self, one: Observation) -> list[Part] | Missing:
        """Nothing beside the words."""
        target = one.query.target
        if not target.text.strip():
            return Missing(target.missing.get("text", "the utterance has no words"))
        return []


def as_wav(clip: AudioClip) -> str:
    """A sound as a WAV file of 16 bits, in base64."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(clip.rate)
        file.writeframes((np.clip(clip.samples, -1, 1) * 32767).astype("<i2").tobytes())
    return base64.b64encode(buffer.getvalue()).decode()


def earlier(query: Query, count: int) -> list[Any]:
    """The utterances before the target, at most ``count``."""
    return list(query.conversation.utterances[max(0, query.index - count) : query.index]) if count else []


def lines_of(query: Query, before: int) -> str:
    """The lines of a conversation up to the target, with who says them."""
    lines = [*earlier(query, before), query.target]
    return "\n".join(f"{one.speaker or 'Somebody'}: {one.text.strip() or '(no words)'}" for one in lines)
