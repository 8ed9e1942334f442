"""The contract of segmenters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from merc.components import AudioClip, Segmenter, SoundWindow, SpeechSpan, Waveform
from merc.testing import samples
from merc.testing.contract import ComponentContract, require

_ROUNDING = 1e-6


class SegmenterContract(ComponentContract):
    """What a segmenter must keep. Override ``sound`` with speech where tones between silences are none for it."""

    kind = "segmenter"
    component: ClassVar[Segmenter]
    device: ClassVar[str] = "cpu"
    """Where it computes."""
    tolerance: ClassVar[float] = 0.2
    """How far spans may lie apart when windows are cut elsewhere, in seconds."""

    def sound(self) -> AudioClip:
        """A recording in which it finds speech, at the rate of its ``sampling``."""
        rate = self.component.sampling().rate
        silence = np.zeros(rate, np.float32)
        tones = [samples.audio(seconds, rate, seed).samples for seed, seconds in enumerate((1.5, 0.8, 2.0))]
        return AudioClip(samples=np.concatenate([silence, *(p for tone in tones for p in (tone, silence))]), rate=rate)

    def windows(self, seconds: float = 2.0, start: float = 0.0) -> list[SoundWindow]:
        """The recording in windows of so many seconds, the first of which begins at ``start``."""
        whole = self.sound()
        size = round(seconds * whole.rate)
        return [
            SoundWindow(
                start=start + at / whole.rate,
                clip=AudioClip(samples=whole.samples[at : at + size].copy(), rate=whole.rate),
            )
            for at in range(0, len(whole.samples), size)
        ]

    def spans(self, windows: Sequence[SoundWindow]) -> list[SpeechSpan]:
        """What a newly loaded function gives, checked for its form."""
        spans = list(self.component.load(self.device)(iter(windows)))
        for span in spans:
            require(
                isinstance(span, SpeechSpan),
                f"{self.title} gives {type(span).__name__}; it must give merc.SpeechSpan",
            )
        return spans

    def test_it_wants_sound(self) -> None:
        """``sampling`` gives a Waveform."""
        spans = self.component.sampling()
        require(
            isinstance(spans, Waveform),
            f"sampling() of {self.title} gives {type(spans).__name__}; it must give merc.Waveform",
        )

    def test_it_finds_speech_in_order_and_within_what_was_heard(self) -> None:
        """Spans by when they start, none beyond the sound, in seconds of the recording."""
        for start in (0.0, 7.5):
            windows = self.windows(start=start)
            spans = self.spans(windows)
            require(spans, f"{self.title} found no speech, so nothing was checked; override sound() with some")
            starts = [span.start for span in spans]
            require(starts == sorted(starts), f"{self.title} gives spans that start at {starts}; give them in order")
            for span in spans:
                require(
                    span.start >= start - _ROUNDING and span.end <= windows[-1].end + _ROUNDING,
                    f"{self.title} gives a span from {span.start} to {span.end} s of sound that lasts from {start} to "
                    f"{windows[-1].end} s; times are seconds of the recording, as window.start is",
                )

    def test_it_does_not_matter_where_windows_are_cut(self) -> None:
        """The same sound in longer windows gives the same spans."""
        first, second = self.spans(self.windows(seconds=2.0)), self.spans(self.windows(seconds=60.0))
        near = len(first) == len(second) and all(
            abs(a.start - b.start) <= self.tolerance and abs(a.end - b.end) <= self.tolerance
            for a, b in zip(first, second, strict=True)
        )
        require(
            near,
            f"{self.title} gives {_times(first)} for windows of 2 s and {_times(second)} for one window; keep what a "
            "window leaves open until the next one",
        )

    def test_the_function_is_called_for_each_recording(self) -> None:
        """Nothing of one recording is left for the next."""
        segment = self.component.load(self.device)
        first, second = (list(segment(iter(self.windows()))) for _ in range(2))
        require(first == second, f"{self.title} gives {_times(first)}, and {_times(second)} the second time")

    def test_silence_and_nothing_are_no_speech(self) -> None:
        """A recording without speech, or without sound, gives no span and raises nothing."""
        silent = [
            replace(one, clip=replace(one.clip, samples=np.zeros_like(one.clip.samples))) for one in self.windows()
        ]
        for windows, what in ((silent, "in silence"), ([], "where there is no sound")):
            spans = self.spans(windows)
            require(not spans, f"{self.title} finds speech {what}: {_times(spans)}")

    def test_a_stream_finds_what_a_recording_holds(self) -> None:
        """Where it can be used live: the spans of sound that comes in small pieces are those of the whole recording,
        each is open before it is over, and two streams do not disturb each other."""
        if type(self.component).stream is Segmenter.stream:
            return
        make = self.component.stream(self.device)
        streams, spans_of_each, opened = (make(), make()), ([], []), list[SpeechSpan]()  # type: ignore[var-annotated]
        for window in self.windows(seconds=0.1):
            for stream, own in zip(streams, spans_of_each, strict=True):
                own += stream.add(window)
            if (span := streams[0].open) is not None:
                require(
                    span.end <= window.end + _ROUNDING and streams[0].spoken <= window.end + _ROUNDING,
                    f"{self.title} has an open span until {span.end} s, of sound until {window.end} s",
                )
                opened.append(span)
        for stream, own in zip(streams, spans_of_each, strict=True):
            own += stream.close()
        whole = self.spans(self.windows(seconds=60.0))
        for own in spans_of_each:
            near = len(own) == len(whole) and all(
                abs(a.start - b.start) <= self.tolerance and abs(a.end - b.end) <= self.tolerance
                for a, b in zip(own, whole, strict=True)
            )
            require(near, f"{self.title} gives {_times(own)} for a stream and {_times(whole)} for the recording")
        for span in whole:
            require(
                any(one.start < span.end and span.start < one.end for one in opened),
                f"{self.title} never had the span {_times([span])} open; `open` is the span that goes on",
            )

    def test_windows_are_left_as_they_are(self) -> None:
        """A window may be shown to others too, so none may write into it."""
        windows, untouched = self.windows(), self.windows()
        self.spans(windows)
        for one, original in zip(windows, untouched, strict=True):
            require(
                np.array_equal(one.clip.samples, original.clip.samples),
                f"{self.title} wrote into a window; copy it first",
            )


def _times(spans: Sequence[SpeechSpan]) -> list[tuple[float, float]]:
    return [(round(one.start, 2), round(one.end, 2)) for one in spans]
