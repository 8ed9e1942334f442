"""What merc-speech makes of a pipeline of pyannote.audio; the pipelines themselves come from a model hub."""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pytest
from merc_speech.pyannote import RATE, Pyannote, joined, spans_of

import merc


@dataclass
class Turn:
    start: float
    end: float


class Annotation:
    """As pyannote.core has it, for what is used of it."""

    def itertracks(self, yield_label):
        assert yield_label
        yield Turn(2.0, 4.0), "B", "SPEAKER_01"
        yield Turn(0.5, 2.5), "A", "SPEAKER_00"
        yield Turn(5.0, 5.0), "C", "SPEAKER_00"


def test_spans_are_in_order_and_may_overlap():
    spans = list(spans_of(Annotation()))
    assert [(one.start, one.end, one.speaker) for one in spans] == [(0.5, 2.5, "SPEAKER_00"), (2.0, 4.0, "SPEAKER_01")]


def test_silence_stands_where_there_is_no_sound():
    windows = [
        merc.SoundWindow(start=start, clip=merc.AudioClip(samples=np.ones(RATE, np.float32), rate=RATE))
        for start in (2.0, 4.0)
    ]
    whole = joined(windows)
    assert len(whole) == 5 * RATE and not whole[: 2 * RATE].any() and not whole[3 * RATE : 4 * RATE].any()
    assert whole[2 * RATE : 3 * RATE].all() and len(joined([])) == 0


@pytest.mark.skipif(find_spec("pyannote") is not None, reason="pyannote is installed")
def test_without_the_package_it_is_said_what_to_install():
    with pytest.raises(merc.MercError, match=r"needs 'pyannote'; install it with: pip install merc-speech\[pyannote\]"):
        merc.Listener("pyannote path=pyannote/speaker-diarization-3.1", "whisper-tiny")


def test_a_token_is_a_variable_that_the_user_allows():
    assert Pyannote(path="somebody/pipeline", key="HF_TOKEN").variables() == ("HF_TOKEN",)
    assert Pyannote(path="somebody/pipeline").variables() == ()
