"""Corruptions against their definitions written out plainly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_robustness.pictures import Blur, Darken, DropFrames
from merc_robustness.sound import Noise
from merc_robustness.withheld import Withhold
from merc_robustness.words import DropWords, Mishear

import merc
import merc.testing
from merc.testing import samples


class TestNoise(merc.testing.CorruptionContract):
    component = Noise()
    name = "noise"


class TestBabble(merc.testing.CorruptionContract):
    component = Noise(noise="babble")


class TestSpeechShaped(merc.testing.CorruptionContract):
    component = Noise(noise="speech-shaped")


class TestDropFrames(merc.testing.CorruptionContract):
    component = DropFrames(severities=(0.25, 0.5, 1.0))
    name = "drop-frames"


class TestBlur(merc.testing.CorruptionContract):
    component = Blur()
    name = "blur"


class TestDarken(merc.testing.CorruptionContract):
    component = Darken()
    name = "darken"


class TestDropWords(merc.testing.CorruptionContract):
    component = DropWords(severities=(0.5, 1.0))
    name = "drop-words"


class TestMishear(merc.testing.CorruptionContract):
    component = Mishear()
    name = "mishear"


class TestWithhold(merc.testing.CorruptionContract):
    component = Withhold(combinations=True)
    name = "withhold"


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def quiet(seconds: float = 1.0) -> merc.AudioClip:
    clip = samples.audio(seconds, 16_000)
    return merc.AudioClip(samples=clip.samples * np.float32(0.1), rate=clip.rate)


@pytest.mark.parametrize("noise", ["white", "speech-shaped", "babble"])
@given(st.floats(0, 60))
def test_the_noise_has_the_ratio_that_is_asked_for(noise: str, ratio: float) -> None:
    clip = quiet()
    heard = Noise(noise=noise).apply(clip, ratio, rng())
    added = heard.samples.astype(np.float64) - clip.samples
    decibels = 10 * np.log10(np.mean(clip.samples.astype(np.float64) ** 2) / np.mean(added**2))
    assert decibels == pytest.approx(ratio, abs=0.05)


def test_the_same_noise_is_louder_at_a_worse_ratio() -> None:
    clip = quiet()
    near, far = (Noise().apply(clip, ratio, rng()).samples - clip.samples for ratio in (0.0, 20.0))
    assert np.allclose(near, 10 * far, atol=1e-5)


def test_speech_shaped_noise_has_the_spectrum_of_the_speech() -> None:
    clip = quiet()
    added = Noise(noise="speech-shaped").apply(clip, 0.0, rng()).samples - clip.samples
    own, noise = (np.abs(np.fft.rfft(one)) for one in (clip.samples, added))
    assert np.corrcoef(own, noise)[0, 1] > 0.99


def test_silence_has_no_ratio_and_stays() -> None:
    silence = merc.AudioClip(samples=np.zeros(8000, np.float32), rate=16_000)
    assert Noise().apply(silence, 0.0, rng()) is silence


@pytest.mark.parametrize("noise", ["white", "speech-shaped", "babble"])
def test_a_clip_without_samples_stays(noise: Any) -> None:
    empty = merc.AudioClip(samples=np.zeros(0, np.float32), rate=16_000)
    assert Noise(noise=noise).apply(empty, 0.0, rng()) is empty


@given(st.integers(1, 12), st.floats(0, 1), st.integers(0, 99))
def test_the_share_of_frames_is_lost_and_the_others_keep_order_and_times(count: int, share: float, seed: int) -> None:
    clip = samples.video(count, (8, 8))
    seen = DropFrames().apply(clip, share, rng(seed))
    left = count - round(share * count)
    if not left:
        assert isinstance(seen, merc.Missing)
        return
    assert len(seen.frames) == left
    assert (seen is clip) == (left == count)
    places = [clip.times.tolist().index(time) for time in seen.times]
    assert places == sorted(places)
    assert all(np.array_equal(frame, clip.frames[at]) for frame, at in zip(seen.frames, places, strict=True))


def test_darker_pictures_have_the_share_of_light_that_is_left() -> None:
    clip = samples.video(2, (16, 16))
    assert np.abs(Darken().apply(clip, 0.75, rng()).frames - clip.frames * 0.25).max() <= 0.5


def test_blur_takes_detail_and_keeps_the_light_whatever_the_size() -> None:
    rough = []
    for side in (32, 64):
        point = np.zeros((1, side, side, 3), np.uint8)
        point[:, side // 2, side // 2] = 255
        seen = Blur().apply(merc.VideoClip(frames=point, times=np.zeros(1)), 4.0, rng()).frames.astype(float)
        rough.append((seen.max(), (seen > 0).any(axis=-1).sum() / side**2))
    assert all(0 < top < 200 for top, _ in rough)
    assert rough[0][1] == pytest.approx(rough[1][1], abs=0.05)


@given(st.lists(st.text("abcxyz", min_size=1, max_size=5), max_size=12), st.floats(0, 1), st.integers(0, 99))
def test_the_share_of_words_is_lost_and_the_others_keep_their_order(words: list[str], share: float, seed: int) -> None:
    numbered = [f"{word}{at}" for at, word in enumerate(words)]
    left = DropWords().apply(merc.TextClip(text=" ".join(numbered)), share, rng(seed)).text.split()
    assert len(left) == len(words) - round(share * len(words))
    assert left == [word for word in numbered if word in left]


def test_more_words_are_lost_where_it_is_worse_and_none_comes_back() -> None:
    clip = merc.TextClip(text="one two three four five six seven eight nine ten")
    some, more = (set(DropWords().apply(clip, share, rng(5)).text.split()) for share in (0.3, 0.6))
    assert more < some


@given(st.floats(0, 1), st.integers(0, 99))
def test_a_misheard_word_differs_by_one_letter_that_sounds_alike(share: float, seed: int) -> None:
    clip = merc.TextClip(text="Bad  dogs, can't we\nkeep 12 Zoos?")
    heard = Mishear().apply(clip, share, rng(seed))
    pairs = [(a, b) for a, b in zip(clip.text, heard.text, strict=True) if a != b]
    words = [(a, b) for a, b in zip(clip.text.split(), heard.text.split(), strict=True) if a != b]
    alike = ("aeiou", "bp", "dt", "gk", "mn", "fv", "sz", "lr")
    assert len(pairs) == len(words) == min(6, round(share * 7))  # 12 has no letter that could be misheard
    assert all(any(a.lower() in group and b.lower() in group for group in alike) for a, b in pairs)
    assert all(a.isupper() == b.isupper() for a, b in pairs)


def test_what_is_withheld_by_share_and_by_combination() -> None:
    drawn = [Withhold().withholds(0.3, rng(seed)) for seed in range(2000)]
    assert sum(drawn) / len(drawn) == pytest.approx(0.3, abs=0.04)
    assert all(Withhold().withholds(0.6, rng(seed)) for seed, is_lost in enumerate(drawn) if is_lost)
    streams = {"face": "video", "voice": "audio"}
    assert Withhold(severities=(0.5, 1.0)).cases(streams) == [(0.5, ("face", "voice")), (1.0, ("face", "voice"))]
    each = Withhold(combinations=True).cases(streams)
    assert each == [(1.0, ("face",)), (1.0, ("voice",)), (1.0, ("face", "voice"))]


@pytest.mark.parametrize(("component", "severity", "words"), [
    (Noise, 101.0, "-60 to 100 dB"), (DropFrames, 1.5, "share from 0 to 1"), (Blur, 0.0, "above 0 and up to 50"),
    (Darken, 1.0, "above 0 and below 1"), (DropWords, -0.1, "share from 0 to 1"), (Mishear, 2.0, "share from 0 to 1"),
    (Withhold, 0.0, "above 0 and up to 1"),
])  # fmt: skip
def test_a_severity_out_of_range_is_named(component: type[merc.Corruption], severity: float, words: str) -> None:
    with pytest.raises(ValueError, match=r"severities: ") as caught:
        component(severities=(severity,))
    assert f"{severity:g}" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize("severities", [(), (1.0, 1.0)])
def test_severities_are_some_and_each_once(severities: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="severities names at least one, each once"):
        Noise(severities=severities)
