"""Noise taken out of sound whose clean form is known."""

from importlib.util import find_spec

import numpy as np
import pytest
from merc_speech import denoise
from merc_speech.denoising import DELAY, FRAME, RATE, Cleaner

import merc
from merc.media.audio import resample
from tests.media.late import write_late
from tests.spoken import ANN, BEN, SENTENCES, say, write_wav

pytestmark = pytest.mark.skipif(find_spec("pyrnnoise") is None, reason="pyrnnoise is not installed")


def ratio(sound, clean):
    """By how many decibels the clean sound, as loud as it may be, is louder than what is left."""
    share = (sound @ clean) / (clean @ clean)
    return 10 * np.log10(np.sum((share * clean) ** 2) / np.sum((sound - share * clean) ** 2))


@pytest.fixture(scope="module")
def speech():
    parts = [np.concatenate([say(SENTENCES[0], voice), np.zeros(8_000, np.float32)]) for voice in (ANN, BEN)]
    sound = np.concatenate(parts)
    return resample(sound / np.abs(sound).max() / 2, 16_000, RATE).samples


def test_speech_in_noise_becomes_clearer(speech):
    noise = np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)
    noisy = speech + noise * np.sqrt(np.mean(speech**2) / np.mean(noise**2)).astype(np.float32)
    clean = np.concatenate(list(Cleaner().clean(iter([noisy]))))
    assert clean.shape == speech.shape
    assert ratio(noisy, speech) < 1 and ratio(clean, speech) > 5


def test_pieces_make_no_difference_and_nothing_is_lost(speech):
    sound = speech[: 20 * FRAME + 7]
    whole = np.concatenate(list(Cleaner().clean(iter([sound]))))
    pieces = [sound[at : at + 333] for at in range(0, len(sound), 333)]
    np.testing.assert_array_equal(np.concatenate(list(Cleaner().clean(iter(pieces)))), whole)
    assert len(whole) == len(sound)
    assert len(np.concatenate(list(Cleaner().clean(iter([sound[:5]]))))) == 5 < DELAY
    assert not np.concatenate(list(Cleaner().clean(iter([])))).size


def test_a_recording_keeps_its_times(tmp_path):
    sound = say(SENTENCES[1], ANN)
    film = write_late(tmp_path / "late.mkv", late=1.5, sound=sound)
    denoise(film, tmp_path / "clean.wav")
    windows = list(merc.listen(tmp_path / "clean.wav"))
    clean = np.concatenate([one.clip.samples for one in windows])
    assert len(clean) == pytest.approx(24_000 + len(sound), abs=200)
    assert np.abs(clean[:20_000]).max() < 0.01 < np.abs(clean[26_000:]).max()


def test_what_has_no_sound_is_named(tmp_path):
    write_wav(tmp_path / "a.wav", np.zeros(8, np.float32)).write_bytes(b"no sound at all")
    with pytest.raises(merc.MercError, match=r"a\.wav"):
        denoise(tmp_path / "a.wav", tmp_path / "b.wav")
    assert not (tmp_path / "b.wav").exists()
