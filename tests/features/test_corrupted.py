"""Encoders that are shown corrupted clips: the keys of what they give, and what counts as touched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from merc.components import AudioClip, Corruption, Missing
from merc.features import UNTOUCHED, FeatureStore, Severe, corrupted, encode, prepared, withheld
from merc.session.corruption import _touched
from tests.features.parts import Brightness, Loudness, clips_talk, part
from tests.learning import Look
from tests.media.clips import write_clip


@dataclass(frozen=True, kw_only=True)
class Hiss(Corruption):
    """Noise of a strength; nothing at 0, and nothing is left at 9."""

    modalities = ("audio",)
    unit = "of full scale"
    severities: tuple[float, ...] = (0.1, 0.3)
    loud: float = 1.0

    def apply(self, clip, severity, rng):
        if severity == 9:
            return Missing("deaf")
        noise = rng.standard_normal(len(clip.samples)).astype("float32")
        return AudioClip(samples=clip.samples + severity * self.loud * noise, rate=clip.rate) if severity else clip


@dataclass(frozen=True, kw_only=True)
class Night(Corruption):
    modalities = ("video",)
    unit = ""
    severities: tuple[float, ...] = (1.0,)

    def apply(self, clip, severity, rng):
        return replace(clip, frames=np.zeros_like(clip.frames))


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return [write_clip(folder / f"u{i}.mp4", frames=10 + i, tone=300 + 20 * i) for i in range(3)]


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store")


def severe(severity=0.3, seed=0, corruption=None) -> Severe:
    return Severe(corruption=corruption or Hiss(), severity=severity, seed=seed)


def run(store, films, by=None):
    encoders = {"heard": part(Loudness())}
    return encode(store, corrupted(encoders, by) if by else encoders, clips_talk(films), seed=0)


def test_corrupted_clips_are_encoded_anew_and_found_again_by_what_was_done_to_them(store, films):
    clean = run(store, films)
    noisy = run(store, films, severe())
    assert noisy.encoded == {"heard": 3}
    assert noisy.get("heard", "u1").mean() > clean.get("heard", "u1").mean() + 0.01
    assert run(store, films, severe()).encoded == {"heard": 0}
    for other in (severe(0.1), severe(seed=1), severe(corruption=Hiss(loud=2.0))):
        assert run(store, films, other).encoded == {"heard": 3}
    # Severities beside the one at hand, and the streams that it is meant for, change nothing.
    assert run(store, films, severe(corruption=Hiss(severities=(5.0,), streams=("heard",)))).encoded == {"heard": 0}
    assert run(store, films).encoded == {"heard": 0}


def test_the_random_numbers_of_a_clip_are_the_same_at_every_severity_and_come_from_the_seed():
    clip = AudioClip(samples=np.full(100, 0.5, "float32"), rate=16_000)
    other = AudioClip(samples=np.full(100, 0.25, "float32"), rate=16_000)

    def noise(by, of=clip):
        return (by.apply(of).samples - of.samples) / by.severity

    assert np.allclose(noise(severe(0.1)), noise(severe(0.3)), atol=1e-5)
    assert not np.allclose(noise(severe()), noise(severe(seed=1)), atol=0.1)
    assert not np.allclose(noise(severe()), noise(severe(), other), atol=0.1)


def test_a_clip_that_was_left_as_it_is_is_not_touched_and_one_of_which_nothing_is_left_is(store, films):
    clean = run(store, films)
    for by, touched in ((severe(0.0), False), (severe(0.1), True), (severe(9), True)):
        for _ in range(2):  # encoded now, and found in the store
            table = run(store, films, by)
            assert [_touched(("heard", f"u{i}"), clean, table) for i in range(3)] == [touched] * 3
    assert UNTOUCHED in run(store, films, severe(0.0)).remarks["heard", "u0"]
    assert run(store, films, severe(9)).missing == {("heard", f"u{i}"): "deaf" for i in range(3)}


def test_what_is_withheld_is_missing_with_its_reason_and_nothing_else_is(store, films):
    clean = run(store, films)
    table = clean.overlaid(withheld(clean, ["heard"], ["u1"], "withheld here"))
    assert table.missing == {("heard", "u1"): "withheld here"}
    assert table.get("heard", "u1") == Missing("withheld here")
    assert np.array_equal(table.get("heard", "u2"), clean.get("heard", "u2"))
    assert clean.missing == {}
    back = table.overlaid(clean)
    assert back.missing == {} and back.places == clean.places


def test_an_encoder_that_learns_gets_inputs_of_corrupted_clips(store, films):
    encoders = prepared({"face": part(Look())}, ["face"])
    clean = encode(store, encoders, clips_talk(films), seed=0)
    dark = encode(store, corrupted(encoders, severe(1.0, corruption=Night())), clips_talk(films), seed=0)
    assert dark.encoded == {"face": 3}
    assert clean.get("face", "u0").any() and not dark.get("face", "u0").any()
    assert dark.get("face", "u0").dtype == np.uint8


def test_what_an_encoder_remarks_is_of_the_clip_that_it_was_shown(store, films):
    encoders = {"seen": part(Brightness(telling="them"))}
    dark = encode(store, corrupted(encoders, severe(1.0, corruption=Night())), clips_talk(films), seed=0)
    assert set(dark.remarks.values()) == {("4 of them",)}


def test_a_file_that_is_a_parameter_counts_by_its_content(store, films, tmp_path):
    @dataclass(frozen=True, kw_only=True)
    class Street(Hiss):
        recording: Path

    for name, content in (("a", "cars"), ("b", "cars"), ("c", "rain")):
        (tmp_path / name).write_text(content)
    counts = [run(store, films, severe(corruption=Street(recording=tmp_path / n))).encoded["heard"] for n in "abc"]
    assert counts == [3, 0, 3]
