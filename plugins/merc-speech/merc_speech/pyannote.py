"""Segmenter ``pyannote``: who speaks when, by a pipeline of pyannote.audio, where the user names one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from merc import (
    FolderOrName,
    MercError,
    Segmenter,
    SegmentFunction,
    SoundWindow,
    SpeechSpan,
    Waveform,
    at_least,
    read_variable,
)

RATE = 16_000


@dataclass(frozen=True, kw_only=True)
class Pyannote(Segmenter):
    """Speaker diarization by pyannote.audio (MIT; its models have their own licences, which the hub asks to accept).
    Spans of people who speak at once overlap. The sound of the whole recording is in memory: 230 MB an hour."""

    path: FolderOrName
    """The pipeline: its folder, or its name on the model hub, such as "pyannote/speaker-diarization-3.1"."""
    key: str | None = None
    """The variable of the environment that holds a token of the model hub."""
    speakers: int | None = None
    """How many people speak; null leaves it to the pipeline."""

    def __post_init__(self) -> None:
        at_least(1, self, "speakers")

    def variables(self) -> Sequence[str]:
        """The token's."""
        return (self.key,) if self.key else ()

    def sampling(self) -> Waveform:
        """16 kHz."""
        return Waveform(rate=RATE)

    def load(self, device: str) -> SegmentFunction:
        """Fetch and read the pipeline. Raises MercError where it cannot be had."""
        import torch
        from pyannote.audio import Pipeline

        token = read_variable(self.key, "segmenter pyannote") if self.key else None
        try:
            pipeline = Pipeline.from_pretrained(self.path, **({"token": token} if token else {}))
        except Exception as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise MercError(f"segmenter pyannote: path: {self.path!r} could not be loaded: {first}") from error
        if pipeline is None:
            raise MercError(
                f"segmenter pyannote: path: {self.path!r} was not given by the hub; accept its conditions there, and "
                "name the variable with your token in 'key'"
            )
        pipeline.to(torch.device(device))
        one_at_a_time = threading.Lock()
        options = {} if self.speakers is None else {"num_speakers": self.speakers}

        def segment(windows: Iterable[SoundWindow]) -> Iterator[SpeechSpan]:
            samples = joined(windows)
            if len(samples):
                sound = {"waveform": torch.from_numpy(samples)[None], "sample_rate": RATE}
                with one_at_a_time:
                    annotation = pipeline(sound, **options)
                yield from spans_of(annotation)

        return segment


def joined(windows: Iterable[SoundWindow]) -> npt.NDArray[np.float32]:
    """The whole sound from the start of the recording on; silence stands where the recording has no sound."""
    parts: list[npt.NDArray[np.float32]] = []
    length = 0
    for window in windows:
        gap = max(round(window.start * RATE) - length, 0)
        parts += [np.zeros(gap, np.float32), window.clip.samples]
        length += gap + len(window.clip.samples)
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def spans_of(output: Any) -> Iterator[SpeechSpan]:
    """The spans of a pipeline's annotation, by when they start."""
    annotation = getattr(output, "speaker_diarization", output)
    tracks = [(turn.start, turn.end, str(speaker)) for turn, _, speaker in annotation.itertracks(yield_label=True)]
    for start, end, speaker in sorted(tracks):
        if end > max(start, 0.0):
            yield SpeechSpan(start=max(start, 0.0), end=end, speaker=speaker)
