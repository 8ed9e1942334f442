"""Clues without a model: key frames, how a voice sounds, what is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from merc_annotation.audio_tone import AudioTone, arousal, contour, tell
from merc_annotation.key_frames import KeyFrames, key_frames
from merc_annotation.lexical import Lexical

import merc
import merc.testing


def scene(seed: int, shift: int = 0) -> np.ndarray:
    """A picture with much to see, moved by ``shift`` pixels to the right."""
    draw = np.random.default_rng(seed)
    blocks = draw.integers(0, 256, (12, 16, 3)).repeat(16, axis=0).repeat(16, axis=1)
    return np.roll(blocks, shift, axis=1).astype(np.uint8)


@pytest.mark.parametrize(("method", "least"), [("difference", 0.04), ("flow", 0.02), ("orb", 0.5)])
def test_near_duplicates_go_and_other_scenes_stay(method: str, least: float) -> None:
    noise = np.random.default_rng(9).integers(-2, 3, (192, 256, 3))
    again = np.clip(scene(1).astype(int) + noise, 0, 255).astype(np.uint8)
    frames = np.stack([scene(1), scene(1), again, scene(2), scene(2), scene(3)])
    chosen = [at for at, _ in key_frames(frames, method, least)]  # type: ignore[arg-type]
    assert chosen == [0, 3, 5]


def test_flow_sees_movement_and_orb_does_not_take_it_for_another_scene() -> None:
    moved = np.stack([scene(1), scene(1, shift=12)])
    assert len(key_frames(moved, "flow", 0.01)) == 2
    assert len(key_frames(moved, "orb", 0.5)) == 1


def test_the_most_different_key_frames_stay(observe) -> None:
    frames = np.stack([scene(n) for n in range(6)])
    ((_, given),) = KeyFrames(most=3).load("cpu")(iter([observe(frames=frames)]))
    cue = json.loads(given.cues["key_frames"])
    assert len(cue["times"]) == 3 and cue["times"][0] == 0.0 and cue["times"] == sorted(cue["times"]) and cue["of"] == 6


def speech(seconds: float, *, hertz: float = 150.0, level: float = 0.3, rate: int = 16_000) -> np.ndarray:
    """A voiced sound with syllables."""
    t = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * hertz * n * t) / n for n in range(1, 8))
    return (level * wave / 3 * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


def test_pauses_and_swelling_are_measured() -> None:
    silence = np.zeros(8_000, np.float32)
    sound = np.concatenate([silence, speech(1.0, level=0.15), silence, speech(1.0, level=0.4), silence])
    measured = contour(merc.AudioClip(samples=sound, rate=16_000), 0.25)
    assert measured["pauses"] == 1 and measured["paused"] == pytest.approx(0.5, abs=0.08)  # not those at its ends
    assert measured["swells"] > 6
    assert "grows louder" in tell({"pitch": 30.0, "pitch_variation": 3.0, **measured})


def test_a_voice_is_described_and_silence_is_not(observe) -> None:
    loud = observe(id="loud", sound=merc.AudioClip(samples=speech(2.0, level=0.9), rate=16_000))
    soft = observe(id="soft", sound=merc.AudioClip(samples=speech(2.0, level=0.01), rate=16_000))
    silent = observe(id="silent", sound=merc.AudioClip(samples=np.zeros(32_000, np.float32), rate=16_000))
    given = dict(AudioTone().load("cpu")(iter([loud, soft, silent])))
    assert "usual loudness" in given["loud0"].cues["audio_tone"] and "is soft" in given["soft0"].cues["audio_tone"]
    assert given["silent0"].reason == "the sound is silent throughout"
    measured = [json.loads(given[name].cues["audio_measures"])["loudness"] for name in ("loud0", "soft0")]
    assert measured[0] > 2 * measured[1]


def test_arousal_goes_by_several_measures() -> None:
    assert arousal('{"loudness": 2.0, "rate": 6.0, "pitch_variation": 3.0}') == 1
    assert arousal('{"loudness": 0.1, "rate": 1.0}') == -1
    assert arousal('{"loudness": 2.0}') is None and arousal(None) is None


def test_words_are_quoted_and_marked(observe) -> None:
    ((_, given),) = Lexical().load("cpu")(iter([observe("We won.", "Uh, really? Really?!")]))
    text = given.cues["lexical"]
    assert "Bo said before it: “We won.” " in text and "Ann says: “Uh, really? Really?!” " in text
    assert "It asks." in text and "It hesitates (“uh”)." in text and "It repeats" in text
    ((_, none),) = Lexical().load("cpu")(iter([observe("We won.", " ")]))
    assert none.reason == "the utterance has no words"


class TestKeyFrames(merc.testing.AnnotatorContract):
    component = KeyFrames(frames=6)
    name = "key-frames"


class TestLexical(merc.testing.AnnotatorContract):
    component = Lexical()
    name = "lexical"


class TestAudioTone(merc.testing.AnnotatorContract):
    component = AudioTone()
    name = "audio-tone"
