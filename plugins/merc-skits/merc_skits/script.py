"""The script of a corpus of skits: who says what, with which emotion, all drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from merc_skits import sentences
from merc_skits.expression import EMOTIONS, Emotion
from merc_skits.sentences import SPLITS, Split

VERSION = 1
"""Raised when the same parameters make another corpus."""

Modality = Literal["video", "audio", "text"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)

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
class Conflicts:
    """Utterances whose modalities express different emotions: in a share ``shares[modality]`` of the ``splits`` the
    emotion of the line is that of the modality alone, and the others express another one."""

    shares: Mapping[Modality, float] = field(default_factory=dict)
    splits: tuple[Split, ...] = ("test",)

    def leading(self, split: Split, count: int, draw: random.Random) -> dict[int, Modality]:
        """The modality that leads, by place among ``count`` lines, of those that have a conflict."""
        order = list(range(count))
        draw.shuffle(order)
        chosen: dict[int, Modality] = {}
        for modality in MODALITIES if split in self.splits else ():
            for _ in range(round(self.shares.get(modality, 0.0) * count)):
                if order:
                    chosen[order.pop()] = modality
        return chosen


@dataclass(frozen=True)
class Line:
    """One utterance. ``face`` and ``voice`` are how strongly each shows its emotion, from 0 to 1: now and then one of
    them, never both, is played down. ``leads`` is the modality that alone expresses ``emotion`` where another one is
    expressed by ``face_emotion``, ``voice_emotion`` or both. ``seed`` settles all else about the clip."""

    id: str
    speaker: Speaker
    emotion: Emotion
    text: str
    hinted: bool
    face: float
    voice: float
    seed: str
    face_emotion: Emotion
    voice_emotion: Emotion
    leads: Modality | None = None

    @property
    def says(self) -> dict[str, str]:
        """The emotion that each modality expresses; the words have one where they hint at it."""
        words = {"text": self.emotion} if self.hinted else {}
        return {"video": self.face_emotion, "audio": self.voice_emotion, **words}


@dataclass(frozen=True)
class Scene:
    """One conversation."""

    id: str
    split: Split
    lines: tuple[Line, ...]


def write_script(
    seed: int, conversations: Mapping[str, int], utterances: int, text_signal: float, conflicts: Conflicts
) -> Iterator[Scene]:
    """The scenes of all splits.

    Emotions are balanced within a split and drawn without regard to the words, the speaker or the lines around. What
    is drawn for one purpose has its own stream of random numbers, so that another ``text_signal`` changes words only,
    and conflicts change the lines that have one and no other.
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
        leading = conflicts.leading(split, count, random.Random(f"{root}/conflicts"))
        leading_hints = {e: sentences.hinting(split, e, random.Random(f"{root}/conflicts/{e}")) for e in EMOTIONS}
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
                line = Line(f"{name}_{turn}", speaker, emotion, text, at in hinted, face, voice, own, emotion, emotion)
                if (leads := leading.get(at)) is not None:
                    hint = next(leading_hints[emotion]) if leads == "text" else None
                    line = _in_conflict(line, leads, hint, random.Random(f"{own}/conflict"))
                lines.append(line)
            yield Scene(name, split, tuple(lines))


def _in_conflict(line: Line, leads: Modality, hint: str | None, draw: random.Random) -> Line:
    """The line with another emotion in the modalities that do not lead. Neither face nor voice is played down, so that
    each says what it says."""
    other = draw.choice([emotion for emotion in EMOTIONS if emotion != line.emotion])
    return replace(
        line, leads=leads, text=hint or line.text, hinted=line.hinted or hint is not None,
        face=round(draw.uniform(0.8, 1.0), 3), voice=round(draw.uniform(0.8, 1.0), 3),
        face_emotion=line.emotion if leads == "video" else other,
        voice_emotion=line.emotion if leads == "audio" else other,
    )  # fmt: skip


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
