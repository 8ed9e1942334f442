"""Segmenter ``silero``: where somebody speaks, by the voice activity network of Silero."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from merc import MercError, Segmenter, SegmentFunction, SoundWindow, SpeechSpan, Waveform, at_least
from merc_speech.activity import SpanFinder

if TYPE_CHECKING:
    import numpy.typing as npt

PACKAGE, FILE = "faster_whisper", "assets/silero_vad_v6.onnx"
"""The package that carries the network, and where it lies in it."""

RATE = 16_000
CHUNK = 512
CONTEXT = 64
"""Samples of the chunk before, which the network is shown with each."""


@dataclass(frozen=True, kw_only=True)
class Silero(Segmenter):
    """Voice activity by Silero's network (version 6, MIT), which judges 32 ms at a time. It tells no speakers apart."""

    threshold: float = 0.5
    """The probability with which speech sets in; it goes on while it is at most 0.15 less probable."""
    pause: float = 0.4
    """Seconds without speech that end a span."""
    shortest: float = 0.2
    """What lasts fewer seconds is no speech."""
    longest: float = 20.0
    """After so many seconds a span is cut, at its least probable place."""
    pad: float = 0.1
    """Seconds that are added before and after a span."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold is a probability between 0 and 1, not {self.threshold}")
        at_least(0, self, "shortest", "pad")
        if self.pause <= self.pad:
            raise ValueError(f"pause is longer than pad, which is {self.pad} s; it is {self.pause} s")
        if self.longest < 1:
            raise ValueError(f"longest is 1 second or more, not {self.longest}")

    def sampling(self) -> Waveform:
        """16 kHz, as the network was trained."""
        return Waveform(rate=RATE)

    def load(self, device: str) -> SegmentFunction:
        """Read the network, which always computes on the CPU: an hour takes it some 20 seconds."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            str(_network()), providers=["CPUExecutionProvider"], sess_options=options
        )

        def segment(windows: Iterable[SoundWindow]) -> Iterator[SpeechSpan]:
            stream = _Stream(session)
            finder = SpanFinder(
                threshold=self.threshold, pause=self.pause, shortest=self.shortest, longest=self.longest, pad=self.pad
            )
            for window in windows:
                if stream.ended(window.start):
                    yield from _found(finder, stream.rest())
                    yield from finder.close()
                    stream = _Stream(session)
                yield from _found(finder, stream.probabilities(window))
            yield from _found(finder, stream.rest())
            yield from finder.close()

        return segment


def _network() -> Path:
    package = find_spec(PACKAGE)
    folders = package.submodule_search_locations if package else None
    path = Path(next(iter(folders))) / FILE if folders else None
    if path is None or not path.is_file():
        raise MercError(
            f"segmenter silero reads {FILE} of the package faster-whisper, which is not there; install it with: "
            "pip install 'faster-whisper>=1.2.1'"
        )
    return path


def _found(finder: SpanFinder, chunks: Iterable[tuple[float, float, float]]) -> Iterator[SpeechSpan]:
    for chunk in chunks:
        yield from finder.add(*chunk)


class _Stream:
    """The network on sound without a gap, with what it remembers from window to window."""

    def __init__(self, session) -> None:
        self.session = session
        self.hidden = np.zeros((1, 1, 128), np.float32)
        self.cell = np.zeros((1, 1, 128), np.float32)
        self.context = np.zeros(CONTEXT, np.float32)
        self.left: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self.at: float | None = None

    def ended(self, start: float) -> bool:
        """Whether sound that begins at ``start`` does not go on where this ended."""
        return self.at is not None and abs(start - self.at - len(self.left) / RATE) > CHUNK / RATE

    def probabilities(self, window: SoundWindow) -> Iterator[tuple[float, float, float]]:
        """The start, end and probability of each whole chunk; the rest waits for the next window."""
        self.at = window.start if self.at is None else self.at
        samples = np.concatenate([self.left, window.clip.samples])
        whole = len(samples) // CHUNK * CHUNK
        self.left = samples[whole:]
        if whole:
            yield from self._judged(samples[:whole], whole)

    def rest(self) -> Iterator[tuple[float, float, float]]:
        """The same of what is left at the end, which is filled up with silence."""
        if len(self.left):
            length, self.left = len(self.left), np.pad(self.left, (0, CHUNK - len(self.left)))
            yield from self._judged(self.left, length)
            self.left = self.left[:0]

    def _judged(self, samples: npt.NDArray[np.float32], length: int) -> Iterator[tuple[float, float, float]]:
        chunks = samples.reshape(-1, CHUNK)
        before = np.concatenate([self.context[None], chunks[:-1, -CONTEXT:]])
        inputs = {"input": np.concatenate([before, chunks], axis=1), "h": self.hidden, "c": self.cell}
        speech, self.hidden, self.cell = self.session.run(None, inputs)
        self.context = chunks[-1, -CONTEXT:]
        start = self.at or 0.0
        for number, probability in enumerate(speech.reshape(-1)):
            end = min((number + 1) * CHUNK, length)
            yield start + number * CHUNK / RATE, start + end / RATE, float(probability)
        self.at = start + length / RATE
