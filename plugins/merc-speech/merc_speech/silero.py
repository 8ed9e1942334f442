"""Segmenter ``silero``: where somebody speaks, by the voice activity network of Silero."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import MercError, Segmenter, SegmentFunction, SoundWindow, SpanStream, SpeechSpan, Waveform, at_least
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
        stream = self.stream(device)

        def segment(windows: Iterable[SoundWindow]) -> Iterator[SpeechSpan]:
            spans = stream()
            for window in windows:
                yield from spans.add(window)
            yield from spans.close()

        return segment

    def stream(self, device: str) -> Callable[[], SpanStream]:
        """The same for sound that goes on: a span is known when nobody spoke for ``pause`` seconds."""
        network = _network()
        return lambda: _Spans(self, network)


@cache
def _network() -> Any:
    """The network, which several threads may use at once."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(_weights()), providers=["CPUExecutionProvider"], sess_options=options)


def _weights() -> Path:
    package = find_spec(PACKAGE)
    folders = package.submodule_search_locations if package else None
    path = Path(next(iter(folders))) / FILE if folders else None
    if path is None or not path.is_file():
        raise MercError(
            f"segmenter silero reads {FILE} of the package faster-whisper, which is not there; install it with: "
            "pip install 'faster-whisper>=1.2.1'"
        )
    return path


class _Spans:
    """The speech in one stream of sound (``merc.SpanStream``)."""

    def __init__(self, silero: Silero, network: Any) -> None:
        self._network, self._sound = network, _Stream(network)
        self._finder = SpanFinder(
            threshold=silero.threshold, pause=silero.pause, shortest=silero.shortest, longest=silero.longest,
            pad=silero.pad,
        )  # fmt: skip

    @property
    def open(self) -> SpeechSpan | None:
        """The span that goes on."""
        return self._finder.open

    @property
    def spoken(self) -> float:
        """Until when somebody was last heard."""
        return self._finder.spoken

    def add(self, window: SoundWindow) -> list[SpeechSpan]:
        """The spans that are known with the next sound; a gap before it ends one."""
        spans = []
        if self._sound.ended(window.start):
            spans = self.close()
            self._sound = _Stream(self._network)
        return [*spans, *self._found(self._sound.probabilities(window))]

    def close(self) -> list[SpeechSpan]:
        """The span at the end of the sound."""
        return [*self._found(self._sound.rest()), *self._finder.close()]

    def _found(self, chunks: Iterable[tuple[float, float, float]]) -> Iterator[SpeechSpan]:
        for chunk in chunks:
            yield from self._finder.add(*chunk)


class _Stream:
    """The network on sound without a gap, with what it remembers from window to window."""

    def __init__(self, session: Any) -> None:
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
