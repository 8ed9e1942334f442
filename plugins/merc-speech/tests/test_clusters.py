from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from merc_speech.clusters import SpeakerClusters, likeliest_path, spans_with_sound
from merc_speech.silero import RATE, Silero

import merc
import merc.testing
from merc.testing.examples import segmenter
from tests.spoken import ANN, BEN, SENTENCES, talk

# The package of weights is looked for and not imported: it wants libraries that merc-speech does without.
pytestmark = pytest.mark.skipif(find_spec("resemblyzer") is None, reason="resemblyzer is not installed")
pytest.importorskip("faster_whisper")


@cache
def spoken():
    voices = (ANN, BEN, ANN, BEN)
    return talk([(voice, text) for voice, text in zip(voices, (*SENTENCES, SENTENCES[0]), strict=True)])


def windows():
    return [merc.SoundWindow(start=0.0, clip=merc.AudioClip(samples=spoken()[0], rate=RATE))]


class TestSpeakerClusters(merc.testing.SegmenterContract):
    component = SpeakerClusters()
    name = "speaker-clusters"

    def sound(self):
        return merc.AudioClip(samples=spoken()[0], rate=RATE)


@pytest.mark.parametrize("speakers", [None, 2])
def test_two_voices_are_two_speakers(speakers):
    spans = list(SpeakerClusters(speakers=speakers).load("cpu")(windows()))
    assert [span.speaker for span in spans] == ["speaker-1", "speaker-2", "speaker-1", "speaker-2"]
    for span, line in zip(spans, spoken()[1], strict=True):
        assert abs(span.start - line.start) < 0.3 and abs(span.end - line.end) < 0.5


def test_one_speaker_where_one_is_said_to_speak():
    assert {span.speaker for span in SpeakerClusters(speakers=1).load("cpu")(windows())} == {"speaker-1"}


def test_a_span_is_divided_where_the_voice_changes():
    sound, lines = talk([(ANN, SENTENCES[0]), (BEN, SENTENCES[1])], pause=0.05)
    window = merc.SoundWindow(start=0.0, clip=merc.AudioClip(samples=sound, rate=RATE))
    spans = list(SpeakerClusters(speech=Silero(pause=1.0), speakers=2).load("cpu")([window]))
    assert [span.speaker for span in spans] == ["speaker-1", "speaker-2"]
    assert spans[0].end == spans[1].start == pytest.approx(lines[1].start, abs=0.6)


def test_speech_at_another_rate_is_refused():
    from dataclasses import dataclass

    @dataclass(frozen=True, kw_only=True)
    class Low(segmenter.Example):
        """Hears 8 kHz."""

        def sampling(self):
            return merc.Waveform(rate=8_000)

    with pytest.raises(merc.MercError, match="its speech Low wants 8000 Hz"):
        SpeakerClusters(speech=Low()).load("cpu")


@given(st.lists(st.floats(0.3, 40.0), min_size=1, max_size=8))
def test_each_span_comes_with_its_own_sound(seconds):
    rate = 100
    starts = np.cumsum([0, *seconds[:-1]])
    given_windows = []
    for start, lasts in zip(starts, seconds, strict=True):
        first = round(start * rate)
        sound = np.arange(first, first + round(lasts * rate)).astype("float32")  # each sample says where it stands
        clip = merc.AudioClip(samples=sound, rate=rate)
        given_windows.append(merc.SoundWindow(start=float(start), clip=clip))

    def find(windows):
        for window in windows:
            yield merc.SpeechSpan(start=window.start + 0.1, end=window.start + 0.2)

    for span, samples in spans_with_sound(find, given_windows):
        assert abs(samples[0] - span.start * rate) <= 2 and 8 <= len(samples) <= 12


def best_by_trying(similarity, switch):
    """The best row of numbers, by trying all of them."""
    import itertools

    count, speakers = similarity.shape
    rows = itertools.product(range(speakers), repeat=count)
    return max(
        sum(similarity[at, row[at]] for at in range(count)) - switch * sum(a != b for a, b in itertools.pairwise(row))
        for row in rows
    )


@given(arrays(np.float32, (6, 3), elements=st.floats(-1, 1, width=16)), st.sampled_from([0.0, 0.35, 2.0]))
def test_the_path_is_the_best_of_all(similarity, switch):
    path = likeliest_path(similarity, switch)
    score = sum(similarity[at, path[at]] for at in range(6)) - switch * sum(path[1:] != path[:-1])
    assert score == pytest.approx(best_by_trying(similarity, switch), abs=1e-4)


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"speakers": 0}, "speakers counts from 1"), ({"threshold": 1.0}, "threshold is a cosine distance between 0")],
)
def test_parameters_are_checked(fields, said):
    with pytest.raises(ValueError, match=said):
        SpeakerClusters(**fields)
