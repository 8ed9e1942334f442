from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_speech.activity import SpanFinder
from merc_speech.silero import CHUNK, RATE, Silero

import merc
import merc.testing
from tests.spoken import ANN, SENTENCES, talk

pytest.importorskip("faster_whisper")


@cache
def spoken():
    return talk([(ANN, sentence) for sentence in SENTENCES])


def recording():
    return merc.AudioClip(samples=spoken()[0], rate=RATE)


class TestSilero(merc.testing.SegmenterContract):
    component = Silero()
    name = "silero"

    def sound(self):
        return recording()


def test_spans_are_where_somebody_speaks():
    spans = list(Silero().load("cpu")([merc.SoundWindow(start=0.0, clip=recording())]))
    lines = spoken()[1]
    assert len(spans) == len(lines)
    for span, line in zip(spans, lines, strict=True):
        assert abs(span.start - line.start) < 0.3 and abs(span.end - line.end) < 0.5


def test_a_gap_ends_a_span():
    sound = recording()
    half = round((spoken()[1][0].start + spoken()[1][0].end) / 2 * RATE)
    windows = [
        merc.SoundWindow(start=0.0, clip=merc.AudioClip(samples=sound.samples[:half], rate=RATE)),
        merc.SoundWindow(start=100.0, clip=merc.AudioClip(samples=sound.samples[half:], rate=RATE)),
    ]
    spans = list(Silero().load("cpu")(windows))
    assert spans[0].end <= half / RATE and all(span.end > 100 for span in spans[1:])
    assert spans[0].end == pytest.approx(half / RATE, abs=0.2)


def test_noise_and_tones_are_no_speech():
    time = np.arange(5 * RATE) / RATE
    chord = (0.1 * sum(np.sin(2 * np.pi * f * time) for f in (220, 277, 330))).astype("float32")
    noise = (np.random.default_rng(0).standard_normal(5 * RATE) * 0.05).astype("float32")
    for samples in (chord, noise):
        window = merc.SoundWindow(start=0.0, clip=merc.AudioClip(samples=samples, rate=RATE))
        assert list(Silero().load("cpu")([window])) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"threshold": 1.5}, "threshold is a probability between 0 and 1, not 1.5"),
        ({"pause": 0.05}, "pause is longer than pad"),
        ({"longest": 0.1}, "longest is 1 second or more"),
    ],
)
def test_parameters_are_checked(fields, said):
    with pytest.raises(ValueError, match=said):
        Silero(**fields)


STEP = CHUNK / RATE


def found(probabilities, **limits):
    finder = SpanFinder(**{"threshold": 0.5, "pause": 0.4, "shortest": 0.2, "longest": 5.0, "pad": 0.1, **limits})
    spans = []
    for number, probability in enumerate(probabilities):
        spans += finder.add(number * STEP, (number + 1) * STEP, probability)
    return [*spans, *finder.close()]


@given(st.lists(st.sampled_from([0.0, 0.3, 0.4, 0.6, 1.0]), max_size=500))
def test_spans_are_in_order_apart_and_within_what_was_heard(probabilities):
    spans = found(probabilities)
    ends = [0.0, *(span.end for span in spans)]
    for before, span in zip(ends, spans, strict=False):
        assert before <= span.start < span.end <= len(probabilities) * STEP
        assert span.end - span.start <= 5.0 + 0.2 + STEP


@given(st.lists(st.sampled_from([0.0, 0.6, 1.0]), max_size=300))
def test_all_that_is_likely_speech_is_in_a_span_unless_it_is_too_short(probabilities):
    spans = found(probabilities, shortest=0.0)
    for number, probability in enumerate(probabilities):
        if probability >= 0.5:
            middle = (number + 0.5) * STEP
            assert any(span.start <= middle <= span.end for span in spans)


def test_a_long_span_is_cut_where_speech_is_least_probable():
    probabilities = [1.0] * 100 + [0.4] + [1.0] * 100
    first, second = found(probabilities, longest=5.0)
    assert first.end == pytest.approx(100 * STEP) and second.start == first.end
