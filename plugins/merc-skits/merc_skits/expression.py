"""What a face does when it shows an emotion: expressions as a few numbers, and their course over time."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, fields
from typing import Literal, get_args

Emotion = Literal["neutral", "joy", "sadness", "anger", "fear", "surprise", "disgust"]
EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)


@dataclass(frozen=True)
class Expression:
    """A face at rest is all zeros. 1 is the strongest that a face does, except where a unit is given.

    ``brow_inner`` and ``brow_outer`` are up; ``brow_squeeze`` is together; ``lids`` is the eyes wider (below 0:
    narrower, -1 shut); ``cheeks`` push the lower lids up; ``gaze_x`` and ``gaze_y`` are right and down; ``smile`` is
    the corners of the mouth up; ``jaw`` is the mouth open; ``stretch`` is the mouth wider (below 0: rounder); ``teeth``
    shows them; ``upper_lip`` and ``nose`` are raised and wrinkled; ``lean`` is nearer to the viewer; ``tilt`` is in
    degrees clockwise; ``turn`` and ``nod`` are the features moved right and down in the head; ``shift`` and ``drop``
    move the head, in hundredths of the picture.
    """

    brow_inner: float = 0.0
    brow_outer: float = 0.0
    brow_squeeze: float = 0.0
    lids: float = 0.0
    cheeks: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    smile: float = 0.0
    jaw: float = 0.0
    stretch: float = 0.0
    teeth: float = 0.0
    upper_lip: float = 0.0
    nose: float = 0.0
    lean: float = 0.0
    tilt: float = 0.0
    turn: float = 0.0
    nod: float = 0.0
    shift: float = 0.0
    drop: float = 0.0

    def times(self, factor: float) -> Expression:
        """The same expression, weaker or stronger."""
        return Expression(*(getattr(self, f.name) * factor for f in fields(self)))

    def plus(self, **amounts: float) -> Expression:
        """With amounts added to some of its numbers."""
        return Expression(*(getattr(self, f.name) + amounts.get(f.name, 0.0) for f in fields(self)))


POSES: dict[Emotion, Expression] = {
    "neutral": Expression(),
    "joy": Expression(
        brow_inner=0.2, brow_outer=0.35, lids=-0.1, cheeks=0.9, smile=1.0, jaw=0.3, stretch=0.55, teeth=1.0, drop=-1.0
    ),
    "sadness": Expression(
        brow_inner=0.95, brow_outer=-0.75, brow_squeeze=0.3, lids=-0.4, gaze_y=0.8, smile=-0.95, stretch=-0.15,
        nod=0.7, drop=2.5, lean=-0.2,
    ),
    "anger": Expression(
        brow_inner=-1.0, brow_outer=0.35, brow_squeeze=1.0, lids=-0.15, smile=-0.45, jaw=0.25, stretch=0.15, teeth=0.9,
        nose=0.35, nod=0.25, lean=0.9,
    ),
    "fear": Expression(
        brow_inner=0.95, brow_outer=0.3, brow_squeeze=0.75, lids=0.65, smile=-0.5, jaw=0.3, stretch=0.65, teeth=0.45,
        lean=-0.8, drop=0.5,
    ),
    "surprise": Expression(
        brow_inner=0.95, brow_outer=1.0, lids=0.7, jaw=0.72, stretch=-0.5, nod=-0.1, drop=-1.5
    ),
    "disgust": Expression(
        brow_inner=-0.6, brow_outer=-0.35, brow_squeeze=0.55, lids=-0.5, cheeks=0.4, smile=-0.6, upper_lip=1.0,
        nose=1.0, jaw=0.08, turn=0.6, tilt=5.0, lean=-0.4,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class _Motion:
    """How the head moves: ``sway`` slow and wide, ``bounce`` up and down (per second ``pace``), ``shake`` to the sides,
    ``tremble`` fast and small; ``onset`` is the time in seconds to the full expression."""

    sway: float = 0.6
    bounce: float = 0.0
    shake: float = 0.0
    pace: float = 1.5
    tremble: float = 0.0
    onset: float = 0.45


_MOTIONS: dict[Emotion, _Motion] = {
    "neutral": _Motion(),
    "joy": _Motion(sway=0.9, bounce=1.6, pace=2.2, onset=0.35),
    "sadness": _Motion(sway=0.35, onset=0.8),
    "anger": _Motion(sway=0.3, shake=1.6, pace=2.6, onset=0.25),
    "fear": _Motion(sway=0.3, tremble=1.1, onset=0.25),
    "surprise": _Motion(sway=0.4, bounce=0.5, pace=1.0, onset=0.15),
    "disgust": _Motion(sway=0.8, shake=0.5, pace=0.8, onset=0.6),
}


class Acting:
    """One utterance's course of expressions; how exact they are and when the eyes blink comes from ``draw``."""

    def __init__(self, emotion: Emotion, strength: float, seconds: float, draw: random.Random) -> None:
        self.motion, self.strength = _MOTIONS[emotion], strength
        side = draw.choice((-1.0, 1.0))
        self.pose = POSES[emotion].times(strength)
        sideways = {"tilt": self.pose.tilt * (side - 1), "turn": self.pose.turn * (side - 1)}
        noise = {
            name: draw.gauss(0.0, 0.09)
            for name in ("brow_inner", "brow_outer", "brow_squeeze", "lids", "smile", "stretch", "upper_lip", "nose")
        }
        self.pose = self.pose.plus(
            **{name: noise.get(name, 0.0) + sideways.get(name, 0.0) for name in {*noise, *sideways}}
        ).plus(tilt=draw.gauss(0.0, 2.5), turn=draw.gauss(0.0, 0.25), nod=draw.gauss(0.0, 0.15),
               gaze_x=draw.gauss(0.0, 0.3), gaze_y=draw.gauss(0.0, 0.1), lean=draw.gauss(0.0, 0.25),
               shift=draw.gauss(0.0, 1.2), drop=draw.gauss(0.0, 0.8))  # fmt: skip
        self.start = draw.uniform(0.35, 0.55)
        self.phases = [draw.uniform(0, 2 * math.pi) for _ in range(6)]
        self.blinks = [draw.uniform(0.2, 1.6)]
        while self.blinks[-1] < seconds:
            self.blinks.append(self.blinks[-1] + draw.uniform(1.2, 3.5))

    def weight(self, time: float) -> float:
        """How much of the full expression is there at a time in seconds: it grows at first, and then nearly stays."""
        grown = min(1.0, time / self.motion.onset)
        weight = self.start + (1.0 - self.start) * grown * grown * (3 - 2 * grown)
        return weight + 0.05 * math.sin(2 * math.pi * 0.7 * time + self.phases[0])

    def at(self, time: float, loudness: float) -> Expression:
        """The expression at a time in seconds, with the mouth moved by the loudness (0 to 1) of the voice."""
        move, phase = self.motion, self.phases
        stir, weight = self.strength, self.weight(time)
        wave = 2 * math.pi * time
        blink = any(abs(time - moment) < 0.06 for moment in self.blinks)
        return self.pose.times(weight).plus(
            jaw=0.3 * loudness,
            lids=-2.0 if blink else 0.0,
            tilt=move.sway * 2.0 * math.sin(wave * 0.4 + phase[1])
            + stir * move.tremble * 0.5 * math.sin(wave * 4.3 + phase[2]),
            shift=move.sway * math.sin(wave * 0.33 + phase[3])
            + stir * move.shake * math.sin(wave * move.pace + phase[4])
            + stir * move.tremble * 0.8 * math.sin(wave * 4.1 + phase[5]),
            turn=stir * move.shake * 0.25 * math.sin(wave * move.pace + phase[4]),
            drop=stir * move.bounce * math.sin(wave * move.pace + phase[2])
            + stir * move.tremble * 0.5 * math.sin(wave * 4.7 + phase[1]),
        )
