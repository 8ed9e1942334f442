"""Speech that is found and written down while it is spoken, against the same sound as a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import merc
from merc.media.audio import resample
from merc.speech import Listener
from merc.speech.streaming import Converter
from merc.testing.examples import segmenter, transcriber
from tests.speech.test_listener import RATE, sound
from tests.spoken import write_wav
from tests.toys.loud import LiveLoud

Samples = np.ndarray


def listener(**parts: object) -> Listener:
    return Listener(**{"segmenter": LiveLoud(), "transcriber": transcriber.Example(), **parts})  # type: ignore[arg-type]


def heard(samples: Samples, rate: int = RATE, piece: float = 0.1) -> tuple[list[merc.Utterance], merc.LiveHearing]:
    live = listener().live("talk", rate)
    utterances = []
    size = round(piece * rate)
    for at in [*range(0, len(samples), size), None]:
        spans = live.close() if at is None else live.add(samples[at : at + size])
        for span in spans:
            utterances += [live.utterance(one) for one in live.said(span, live.clip(span.start, span.end))]
    return utterances, live


@pytest.mark.parametrize("piece", [0.013, 0.1, 7.0])
def test_utterances_are_those_of_the_recording(tmp_path: Path, piece: float) -> None:
    samples = sound(-1, 1, -1, 2, -0.5, 0.4)
    path = write_wav(tmp_path / "talk.wav", samples)
    wanted = list(listener().hear(path))
    own, live = heard(samples, piece=piece)
    assert len(own) == 3
    for one, other in zip(own, wanted, strict=True):
        assert (one.id, one.text, one.missing) == (other.id, other.text, other.missing)
        assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=0.06)
    assert live.notes() == ["talk: 3 utterances; 2.5 of 5.9 s are without speech"]
    assert live.heard == pytest.approx(5.9) and live.open is None


def test_sound_at_another_rate(tmp_path: Path) -> None:
    samples = resample(sound(-1, 1, -1, 2, -1), RATE, 44_100).samples
    own, live = heard(samples, rate=44_100)
    assert [(one.start, one.end) for one in own] == [pytest.approx((1, 2), abs=0.06), pytest.approx((3, 5), abs=0.06)]
    assert live.clip(5.5, 5.9).rate == 44_100 and len(live.clip(5.5, 5.9).samples) == round(0.4 * 44_100)


def test_the_span_that_goes_on_is_known() -> None:
    live = listener().live()
    assert live.open is None
    live.add(sound(-1, 0.5))
    assert live.open is not None and live.open.start == pytest.approx(1.0, abs=0.06)
    live.add(sound(-0.2))
    assert live.open is not None and live.open.end == pytest.approx(1.5, abs=0.06) == live.spoken
    assert [round(one.end, 1) for one in live.add(sound(-0.5))] == [1.5]
    assert live.open is None and live.spoken == pytest.approx(1.5, abs=0.06)


def test_sound_of_before_is_not_kept() -> None:
    live = listener().live()
    for _ in range(50):
        live.add(sound(-1, 1))
    kept = sum(len(samples) for _, samples in live._kept)
    assert kept <= 12 * RATE and live.heard == 100
    assert live.clip(98.0, 99.5).seconds == 1.5 and live.clip(3.0, 4.0).seconds == 0


def test_a_converter_gives_the_sound_of_one_piece() -> None:
    samples = (np.random.default_rng(0).standard_normal(30_011) * 0.2).astype("float32")
    whole = resample(samples, 22_050, RATE).samples
    converter = Converter(22_050, RATE)
    parts = [converter.add(samples[at : at + 1000]) for at in range(0, len(samples), 1000)]
    joined = np.concatenate([*parts, converter.rest()])
    assert abs(len(joined) - len(whole)) < 20
    np.testing.assert_allclose(joined[: len(whole) - 20], whole[:-20], atol=1e-6)


def test_what_cannot_be_used_live() -> None:
    with pytest.raises(merc.MercError, match="segmenter Example must hear a recording to its end"):
        listener(segmenter=segmenter.Example()).live()
    with pytest.raises(merc.MercError, match="the rate is 0"):
        listener().live(rate=0)


class TestLiveLoud(merc.testing.SegmenterContract):
    component = LiveLoud()
    name = None
