"""The script of a corpus of skits: who says what, with which emotion, all drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from merc_skits import sentences
from merc_skits.expression import EMOTIONS, Emotion
from merc_skits.sentences import SPLITS, Split

VERSION = 1
"""Raised when the same parameters make another corpus."""

_NAMES: dict[Split, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "train": (
        ("Anna", "Clara", "Emma", "Fiona", "Grace", "Helen", "Irene", "Julia", "Karen", "Laura", "Maria", "Nora"),
        ("Adam", "Bruno", "Carl", "David", "Eric", "Felix", "George", "Henry", "Ivan", "James", "Kevin", "Louis"),
    ),
    "dev": (("Olive", "Paula", "Rita", "Sarah"), ("Martin", "Nick", "Oscar", "Peter")),
    "test": (("Tessa", "Ursula", "Vera", "Wendy", "Zoe"), ("Quentin", "Robert", "Simon", "Thomas", "Victor")),
}


@dataclass(frozen=True)
class Speaker:
    """A person; looks and voice are drawn from ``seed``."""

    name: str
    woman: bool
    seed: str


@dataclass(frozen=True)
class Line:
    """One utterance. ``face`` and ``voice`` are how strongly each shows the emotion, from 0 to 1: now and then one of
    them, never both, is played down. ``seed`` settles all else about the clip."""

    id: str
    speaker: Speaker
    emotion: Emotion
    text: str
    hinted: bool
    face: float
    voice: float
    seed: str


@dataclass(frozen=True)
class Scene:
    """One conversation."""

    id: str
    split: Split
    lines: tuple[Line, ...]


def write_script(seed: int, conversations: Mapping[str, int], utterances: int, text_signal: float) -> Iterator[Scene]:
    """The scenes of all splits.

    Emotions are balanced within a split and drawn without regard to the words, the speaker or the lines around. What
    is drawn for one purpose has its own stream of random numbers, so that another ``text_signal`` changes words only.
    """
    for split in SPLITS:
        count = conversations[split] * utterances
        root = f"skits {VERSION}/{seed}/{split}"
        emotions = _balanced(count, random.Random(f"{root}/emotions"))
        order = list(range(count))
        random.Random(f"{root}/hinted").shuffle(order)
        hinted = set(order[: round(text_signal * count)])
        words = sentences.plain(split, random.Random(f"{root}/sentences"))
        hints = {e: sentences.hinting(split, e, random.Random(f"{root}/hints/{e}")) for e in EMOTIONS}
        women, men = _NAMES[split]
        people = [Speaker(name, name in women, f"{root}/{name}") for name in women + men]
        for scene in range(conversations[split]):
            name = f"{split}_{scene:04d}"
            casting = random.Random(f"{root}/casting/{scene}")
            turns = _turns(casting.sample(people, casting.choice((2, 3))), utterances, casting)
            lines = []
            for turn, speaker in enumerate(turns):
                at = scene * utterances + turn
                own = f"{root}/{scene}/{turn}"
                face, voice = _strengths(random.Random(f"{own}/strengths"))
                plain, emotion = next(words), emotions[at]
                text = next(hints[emotion]) if at in hinted else plain
                lines.append(Line(f"{name}_{turn}", speaker, emotion, text, at in hinted, face, voice, own))
            yield Scene(name, split, tuple(lines))


def _balanced(count: int, draw: random.Random) -> list[Emotion]:
    """So many emotions, each as often as the others (or once more), in an order by chance."""
    rest = draw.sample(EMOTIONS, count % len(EMOTIONS))
    emotions = [*EMOTIONS * (count // len(EMOTIONS)), *rest]
    draw.shuffle(emotions)
    return emotions


def _turns(cast: list[Speaker], count: int, draw: random.Random) -> list[Speaker]:
    """Who speaks when: everybody once, then by chance, nobody twice in a row."""
    turns = cast[:count]
    while len(turns) < count:
        turns.append(draw.choice([person for person in cast if person is not turns[-1]]))
    return turns


def _strengths(draw: random.Random) -> tuple[float, float]:
    face, voice = draw.uniform(0.8, 1.0), draw.uniform(0.8, 1.0)
    chance, low = draw.random(), draw.uniform(0.3, 0.55)
    if chance < 0.15:
        return round(low, 3), round(voice, 3)
    if chance < 0.3:
        return round(face, 3), round(low, 3)
    return round(face, 3), round(voice, 3)
