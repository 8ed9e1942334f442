import random

import numpy as np
import pytest
from merc_skits.espeak import Manner, speak
from merc_skits.expression import EMOTIONS, Acting, Emotion
from merc_skits.face import Face, Looks
from merc_skits.voice import MEN, WOMEN, Voice, say

TEXT = "My cousin moved the chairs into the hall."


def pitch(samples: np.ndarray, rate: int) -> float:
    """The middle of the voiced stretches' fundamental frequencies, by autocorrelation."""
    found = []
    for start in range(0, len(samples) - 1024, 512):
        part = samples[start : start + 1024] - samples[start : start + 1024].mean()
        if np.sqrt(np.mean(part**2)) < 0.3 * np.sqrt(np.mean(samples**2)):
            continue
        same = np.correlate(part, part, "full")[1023:]
        lag = rate // 500 + int(np.argmax(same[rate // 500 : rate // 60]))
        if same[lag] > 0.5 * same[0]:
            found.append(rate / lag)
    return float(np.median(found))


@pytest.fixture(scope="module")
def spoken() -> dict[Emotion, tuple[float, float, float]]:
    """Pitch in Hz, loudness in decibels and length in seconds of each emotion, the middle over four voices."""
    voices = [Voice("m1", 185, 45), Voice("m3", 190, 42), Voice("f1", 190, 45), Voice("linda", 182, 48)]
    measured = {}
    for emotion in EMOTIONS:
        numbers = []
        for voice in voices:
            samples, rate = say(TEXT, voice, emotion, 1.0, random.Random(voice.variant))
            numbers.append((pitch(samples, rate), 10 * np.log10(np.mean(samples**2)), len(samples) / rate))
        measured[emotion] = tuple(np.mean(numbers, axis=0))
    return measured


def test_the_voice_follows_the_emotion(spoken: dict[Emotion, tuple[float, float, float]]) -> None:
    pitches, levels, seconds = ({e: numbers[i] for e, numbers in spoken.items()} for i in range(3))
    assert pitches["surprise"] > 1.2 * pitches["neutral"] > 1.2 * pitches["sadness"]
    assert pitches["joy"] > 1.2 * pitches["neutral"]
    assert levels["anger"] > levels["neutral"] + 4 > levels["sadness"] + 8
    assert seconds["fear"] < 0.9 * seconds["neutral"] < 0.9 * 0.9 * seconds["sadness"]


def test_without_strength_every_emotion_sounds_neutral() -> None:
    sounds = [say(TEXT, Voice("m1", 185, 45), emotion, 0.0, random.Random(1))[0] for emotion in EMOTIONS]
    assert all(np.array_equal(sounds[0], sound) for sound in sounds)


@pytest.mark.parametrize("variant", [*MEN, *WOMEN])
def test_speech_depends_on_nothing_but_what_is_asked_for(variant: str) -> None:
    manner = Manner(f"en-us+{variant}", 180, 50, 50)
    first, rate = speak(TEXT, manner)
    speak("Something else in between", Manner("en-us+f2", 120, 90, 10))
    again, _ = speak(TEXT, manner)
    assert rate == 22050
    assert np.array_equal(first, again)
    assert len(first) > rate


def test_a_voice_that_is_not_there() -> None:
    with pytest.raises(RuntimeError, match="espeak-ng has no voice 'klingon-x'"):
        speak(TEXT, Manner("klingon-x", 180, 50, 50))


def test_the_face_follows_the_emotion_and_the_voice_moves_the_mouth() -> None:
    for woman in (True, False):
        face = Face(Looks.draw(random.Random(4), woman))
        pictures = [face.picture(Acting(e, 1.0, 2.0, random.Random(1)).at(0.7, 0.0)).astype(int) for e in EMOTIONS]
        for index, one in enumerate(pictures):
            assert one.shape == (256, 256, 3)
            for other in pictures[index + 1 :]:
                assert np.abs(one - other).mean() > 0.5
        silent, loud = (face.picture(Acting("neutral", 1.0, 2.0, random.Random(1)).at(0.7, x)) for x in (0.0, 1.0))
        changed = np.argwhere((silent != loud).any(axis=2))
        assert len(changed) > 50
        assert changed[:, 0].min() > 128


def test_looks_differ_and_can_be_had_again() -> None:
    looks = [Looks.draw(random.Random(seed), seed % 2 == 0) for seed in range(20)]
    assert len(set(looks)) == 20
    assert looks == [Looks.draw(random.Random(seed), seed % 2 == 0) for seed in range(20)]
