"""A drawn face: a speaker's looks, and the picture of an expression on them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from merc_skits.expression import Expression

SIZE = 256
_DRAWN = 2 * SIZE
"""Faces are drawn at twice the size and scaled down, which smooths the edges."""

Colour = tuple[int, int, int]
Point = tuple[float, float]

_SKINS: tuple[Colour, ...] = (
    (246, 214, 190), (236, 196, 166), (224, 180, 146), (210, 162, 124), (194, 144, 110), (172, 126, 94), (150, 108, 80),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = ((38, 28, 24), (66, 44, 32), (98, 66, 40), (140, 98, 56), (178, 136, 82), (120, 118, 118))
_EYES: tuple[Colour, ...] = ((74, 50, 34), (60, 82, 104), (74, 96, 66), (46, 38, 34))


@dataclass(frozen=True)
class Looks:
    """What does not change about a speaker. Lengths are in 512ths of the picture."""

    skin: Colour
    hair: Colour
    eyes: Colour
    clothes: Colour
    wall: Colour
    width: float
    height: float
    jaw: float
    eye_apart: float
    eye_size: float
    eye_height: float
    brow_weight: float
    brow_gap: float
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_height: float
    lips: float
    cut: str
    fringe: float
    beard: bool
    glasses: bool
    light: float

    @staticmethod
    def draw(draw: random.Random, woman: bool) -> Looks:
        """Looks by chance."""
        wall = tuple(draw.randrange(105, 225) for _ in range(3))
        skin = draw.choice(_SKINS)
        return Looks(
            skin=skin,
            hair=draw.choice([hair for hair in _HAIRS if sum(skin) - sum(hair) > 200]),
            eyes=draw.choice(_EYES),
            clothes=(draw.randrange(40, 200), draw.randrange(40, 200), draw.randrange(40, 200)),
            wall=(wall[0], wall[1], wall[2]),
            width=draw.uniform(116, 132) - (6 if woman else 0),
            height=draw.uniform(154, 170),
            jaw=draw.uniform(0.12, 0.24) + (0.06 if woman else 0.0),
            eye_apart=draw.uniform(51, 58),
            eye_size=draw.uniform(24, 28) + (2 if woman else 0),
            eye_height=draw.uniform(-26, -16),
            brow_weight=draw.uniform(6.0, 9.0) - (1.5 if woman else 0.0),
            brow_gap=draw.uniform(33, 39),
            nose_length=draw.uniform(56, 68),
            nose_width=draw.uniform(19, 26),
            mouth_width=draw.uniform(43, 52),
            mouth_height=draw.uniform(78, 88),
            lips=draw.uniform(6.0, 9.0) + (2.0 if woman else 0.0),
            cut=draw.choice(("long", "bob", "tied") if woman else ("short", "short", "bald", "side")),
            fringe=draw.uniform(0.50, 0.64),
            beard=not woman and draw.random() < 0.2,
            glasses=draw.random() < 0.15,
            light=draw.choice((-1.0, 1.0)) * draw.uniform(0.03, 0.2),
        )


class Face:
    """Draws one speaker. What stays the same is drawn once."""

    def __init__(self, looks: Looks) -> None:
        self.looks = looks
        self.centre = (_DRAWN / 2, _DRAWN * 0.52)
        self.room = self._room()
        head = self._head()
        # kept apart from its colours, the outline is not mixed into them when the head turns
        self.outline = head.getchannel("A")
        self.head = head.convert("RGB")
        box = self.outline.getbbox() or (0, 0, _DRAWN, _DRAWN)
        neck = self.centre[1] + looks.height
        self.reach = np.array([(box[2] - box[0]) / 2 + 40, neck - box[1] + 10, box[3] - neck + 40])
        """How far the head reaches to the sides, above and below the point that it turns about."""

    def picture(self, now: Expression) -> npt.NDArray[np.uint8]:
        """The picture ``[SIZE, SIZE, 3]`` uint8 RGB of an expression."""
        layer = self.head.copy()
        self._features(layer, now)
        scale = 2 / (1 + 0.07 * now.lean)
        angle = math.radians(now.tilt)
        cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
        # the head turns about the neck, below its middle
        x0, y0 = self.centre[0], self.centre[1] + self.looks.height
        x = x0 / 2 + now.shift * SIZE / 100
        y = y0 / 2 + now.drop * SIZE / 100
        # only the part of the picture that the head can be in, which takes half the time
        reach = 1.1 * self.reach / scale
        left, top = max(0, round(x - reach[0])), max(0, round(y - reach[1]))
        right, bottom = min(SIZE, round(x + reach[0])), min(SIZE, round(y + reach[2]))
        size = (right - left, bottom - top)
        x, y = x - left, y - top
        matrix = (cos, sin, x0 - cos * x - sin * y, -sin, cos, y0 + sin * x - cos * y)
        frame = self.room.copy()
        moved, mask = (
            image.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
            for image in (layer, self.outline)
        )
        frame.paste(moved, (left, top), mask)
        return np.asarray(frame)

    def _room(self) -> Image.Image:
        """The wall, a little lighter on the light's side, and shoulders."""
        looks = self.looks
        down, right = np.mgrid[0:_DRAWN, 0:_DRAWN] / _DRAWN
        light = 1.05 - 0.25 * down + 0.4 * looks.light * (right - 0.5)
        wall = np.clip(np.array(looks.wall) * light[..., None], 0, 255).astype(np.uint8)
        room = Image.fromarray(wall)
        brush = ImageDraw.Draw(room)
        x, y = self.centre[0], self.centre[1] + looks.height
        brush.polygon(
            _curve([(x - 215, _DRAWN + 10), (x - 195, y + 68), (x - 60, y + 32), (x + 60, y + 32), (x + 195, y + 68),
                    (x + 215, _DRAWN + 10)]), fill=looks.clothes,
        )  # fmt: skip
        brush.polygon([(x - 58, y - 60), (x + 58, y - 60), (x + 66, y + 50), (x, y + 84), (x - 66, y + 50)],
                      fill=_shade(looks.skin, 0.72))  # fmt: skip
        return room.resize((SIZE, SIZE), Image.Resampling.BOX)

    def _outline(self, grow: float = 0.0) -> list[Point]:
        """The edge of the face: an ellipse that narrows to the chin."""
        looks, points = self.looks, []
        for step in range(72):
            angle = 2 * math.pi * step / 72
            narrow = 1 - looks.jaw * max(0.0, math.sin(angle)) ** 2
            points.append((
                self.centre[0] + (looks.width + grow) * math.cos(angle) * narrow,
                self.centre[1] + (looks.height + grow) * math.sin(angle),
            ))  # fmt: skip
        return points

    def _back_hair(self) -> Image.Image:
        looks = self.looks
        layer = Image.new("RGBA", (_DRAWN, _DRAWN), (*looks.hair, 0))
        brush = ImageDraw.Draw(layer)
        x, y = self.centre
        wide = looks.width + 26
        if looks.cut == "long":
            brush.rounded_rectangle(
                (x - wide, y - 60, x + wide, y + looks.height + 40), 60, fill=_shade(looks.hair, 0.8)
            )
        elif looks.cut == "bob":
            brush.rounded_rectangle((x - wide, y - 60, x + wide, y + 90), 50, fill=_shade(looks.hair, 0.8))
        elif looks.cut == "tied":
            brush.ellipse((x - 50, y - looks.height - 72, x + 50, y - looks.height + 20), fill=_shade(looks.hair, 0.85))
        if looks.cut != "bald":
            top = looks.height + (26 if looks.cut != "short" else 20)
            brush.ellipse((x - wide + 8, y - top, x + wide - 8, y + 60), fill=looks.hair)
        return layer

    def _head(self) -> Image.Image:
        """Hair and the face without its features: shaded skin with dark eye sockets and light cheeks, forehead and
        bridge of the nose, as light from above makes them (and as a face detector expects them)."""
        looks = self.looks
        x, y = self.centre
        layer = self._back_hair()
        brush = ImageDraw.Draw(layer)
        for side in (-1, 1):
            ear = x + side * (looks.width - 2)
            brush.ellipse((ear - 20, y - 32, ear + 20, y + 32), fill=_shade(looks.skin, 0.82))
        down, right = np.mgrid[0:_DRAWN, 0:_DRAWN].astype(np.float32)
        u, v = (right - x) / looks.width, (down - y) / looks.height

        def blob(at_u: float, at_v: float, wide: float, high: float) -> npt.NDArray[np.float32]:
            return np.exp(-(((u - at_u) / wide) ** 2) - ((v - at_v) / high) ** 2, dtype=np.float32)

        eye_u, eye_v = looks.eye_apart / looks.width, looks.eye_height / looks.height
        light = 1.06 - 0.30 * (np.abs(u) ** 2.2) - 0.16 * np.clip(v, 0, 2) ** 2 + looks.light * u
        light += 0.12 * blob(0, -0.55, 0.6, 0.22) + 0.16 * blob(0, 0.05, 0.10, 0.30)
        for side in (-1, 1):
            light -= 0.30 * blob(side * eye_u, eye_v - 0.04, 0.34, 0.14)
            light += 0.13 * blob(side * 0.48, 0.22, 0.28, 0.16)
        light -= 0.10 * blob(0, 0.80, 0.32, 0.07)
        skin = np.array(looks.skin, np.float32) * light[..., None]
        skin += (
            np.array([16, -6, -6], np.float32) * (blob(-0.5, 0.25, 0.22, 0.14) + blob(0.5, 0.25, 0.22, 0.14))[..., None]
        )
        if looks.beard:
            weight = 0.55 * np.clip((v - 0.28) * 6, 0, 1) * (1 - blob(0, 0.52, 0.30, 0.10))
            skin = skin * (1 - weight[..., None]) + np.array(looks.hair, np.float32) * weight[..., None]
        mask = Image.new("L", (_DRAWN, _DRAWN), 0)
        ImageDraw.Draw(mask).polygon(self._outline(), fill=255)
        layer.paste(Image.fromarray(np.clip(skin, 0, 255).astype(np.uint8)), (0, 0), mask)
        self._front_hair(ImageDraw.Draw(layer))
        return layer

    def _front_hair(self, brush: ImageDraw.ImageDraw) -> None:
        looks = self.looks
        if looks.cut == "bald":
            return
        x, y = self.centre
        wide, top, edge = looks.width + 5, y - looks.height - 14, y - looks.height * looks.fringe
        low = y - 20 if looks.cut in ("long", "bob") else y - 52
        part = {"side": 60.0, "tied": 0.0, "long": 25.0}.get(looks.cut, -10.0)
        inner = [(x + wide - 14, low), (x + wide * 0.72, edge + 6), (x + part, edge - 16), (x - wide * 0.72, edge + 6),
                 (x - wide + 14, low)]  # fmt: skip
        outer = [(x - wide, low), (x - wide * 0.94, y - looks.height * 0.62), (x - wide * 0.5, top + 8), (x, top - 6),
                 (x + wide * 0.5, top + 8), (x + wide * 0.94, y - looks.height * 0.62), (x + wide, low)]  # fmt: skip
        brush.polygon(_curve(outer) + _curve(inner), fill=looks.hair)

    def _features(self, layer: Image.Image, now: Expression) -> None:
        brush = ImageDraw.Draw(layer)
        x = self.centre[0] + 9 * now.turn
        y = self.centre[1] + 9 * now.nod
        for side in (-1, 1):
            self._eye(layer, x, y, side, now)
            self._brow(brush, x, y, side, now)
        self._nose(brush, x + 3 * now.turn, y, now)
        self._mouth(brush, x + 2 * now.turn, y, now)

    def _eye(self, layer: Image.Image, x: float, y: float, side: int, now: Expression) -> None:
        looks, brush = self.looks, ImageDraw.Draw(layer)
        dark = _shade(looks.skin, 0.42)
        wide = looks.eye_size
        ex, ey = x + side * looks.eye_apart, y + looks.eye_height
        upper = wide * max(0.0, 0.48 + 0.34 * now.lids)
        lower = wide * max(0.0, 0.40 + (0.18 * now.lids if now.lids > -1 else -0.5) - 0.26 * now.cheeks)
        if upper + lower < 4:
            brush.line(_curve([(ex - wide, ey), (ex, ey + 5), (ex + wide, ey)]), fill=dark, width=6)
            return
        # a raised inner brow takes the inner end of the lid with it
        pull = 3.0 * max(0.0, now.brow_inner - now.brow_outer)
        ends = ((ex - side * wide, ey + 1 - pull), (ex + side * wide, ey - 1 + 2.5 * max(0.0, -now.brow_outer)))
        lid = _curve(
            [ends[0], (ex - side * wide * 0.45, ey - upper * 0.9), (ex + side * wide * 0.3, ey - upper), ends[1]]
        )
        bag = _curve(
            [ends[1], (ex + side * wide * 0.4, ey + lower * 0.9), (ex - side * wide * 0.3, ey + lower), ends[0]]
        )
        self._eyeball(layer, lid + bag, (ex, ey), now)
        brush.line(lid, fill=dark, width=8, joint="curve")
        brush.line(bag, fill=_shade(looks.skin, 0.6), width=3, joint="curve")
        if now.cheeks > 0.4:
            fold = ey + lower + 9
            brush.line(_curve([(ex - wide * 0.7, fold), (ex, fold + 5), (ex + wide * 0.8, fold - 3)]),
                       fill=_shade(looks.skin, 0.7), width=3)  # fmt: skip
        if looks.glasses:
            brush.ellipse((ex - 42, ey - 36, ex + 42, ey + 40), outline=_shade(looks.skin, 0.55), width=3)
            brush.line([(ex - side * 42, ey), (x, ey - 6)], fill=_shade(looks.skin, 0.55), width=3)

    def _eyeball(self, layer: Image.Image, opening: list[Point], at: Point, now: Expression) -> None:
        """What is seen of an eyeball through the opening of the lids."""
        looks = self.looks
        reach = round(looks.eye_size) + 12
        left, top = round(at[0]) - reach, round(at[1]) - reach
        ball = Image.new("RGB", (2 * reach, 2 * reach), _blend(looks.skin, (226, 224, 222), 0.55))
        brush = ImageDraw.Draw(ball)
        x, y = at[0] - left + 7 * now.gaze_x, at[1] - top - 1 + 6 * now.gaze_y
        iris = looks.eye_size * 0.54
        for radius, colour in ((iris, looks.eyes), (iris * 0.55, (14, 12, 12))):
            brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        brush.ellipse((x - 6, y - 8, x - 2, y - 4), fill=(255, 255, 255))
        mask = Image.new("L", ball.size, 0)
        ImageDraw.Draw(mask).polygon([(px - left, py - top) for px, py in opening], fill=255)
        layer.paste(ball, (left, top), mask)

    def _brow(self, brush: ImageDraw.ImageDraw, x: float, y: float, side: int, now: Expression) -> None:
        looks = self.looks
        ex, ey = x + side * looks.eye_apart, y + looks.eye_height - looks.brow_gap
        inner = (ex - side * (30 + 9 * now.brow_squeeze), ey - 17 * now.brow_inner + 4)
        middle = (ex + side * 2, ey - 8 - 8 * (now.brow_inner + now.brow_outer))
        outer = (ex + side * 34, ey - 15 * now.brow_outer + 3)
        path = _curve([inner, middle, outer])
        heavy = looks.brow_weight
        upper = [(px, py - heavy * (1 - 0.7 * i / len(path))) for i, (px, py) in enumerate(path)]
        under = [(px, py + heavy * (1 - 0.8 * i / len(path))) for i, (px, py) in enumerate(path)]
        brush.polygon(upper + under[::-1], fill=_shade(looks.hair, 0.75))
        crease = _shade(looks.skin, 0.62)
        if now.brow_squeeze > 0.35:
            cx = x + side * (8 - 2 * now.brow_squeeze)
            brush.line([(cx, inner[1] - 14), (cx - side * 2, inner[1] + 12)], fill=crease, width=4)
        if now.brow_inner > 0.55:
            for row in (26, 40):
                height = ey - 22 * now.brow_inner - row
                if looks.cut != "bald" and height < y - looks.height * looks.fringe + 12:
                    continue
                end = (x + side * 74, height + 12 - 8 * now.brow_outer)
                line = _curve([(x, height + 3), (x + side * 40, height), end])
                brush.line(line, fill=_shade(looks.skin, 0.84), width=3)

    def _nose(self, brush: ImageDraw.ImageDraw, x: float, y: float, now: Expression) -> None:
        looks = self.looks
        shadow, deep = _shade(looks.skin, 0.70), _shade(looks.skin, 0.45)
        tip = y + looks.eye_height + looks.nose_length - 6 * now.nose
        wide = looks.nose_width * (1 + 0.18 * now.nose)
        side = 1 if looks.light < 0 else -1
        bridge = (x + side * 9, y + looks.eye_height + 8)
        brush.line(_curve([bridge, (x + side * 12, tip - 22), (x + side * wide, tip - 3)]), fill=shadow, width=4)
        brush.line(_curve([(x - wide, tip - 4), (x - wide * 0.6, tip + 5), (x, tip + 8), (x + wide * 0.6, tip + 5),
                           (x + wide, tip - 4)]), fill=shadow, width=5)  # fmt: skip
        for edge in (-1, 1):
            brush.ellipse((x + edge * wide * 0.5 - 6, tip - 2, x + edge * wide * 0.5 + 6, tip + 6), fill=deep)
            if now.nose > 0.3:
                for row in range(3):
                    top = y + looks.eye_height + 6 + 11 * row
                    brush.line(
                        [(x + edge * 3, top), (x + edge * (17 + 3 * row), top - 8 + 4 * row)], fill=shadow, width=3
                    )
            fold = max(now.upper_lip, now.nose, 0.9 * now.smile)
            if fold > 0.35:
                away = x + edge * wide
                line = _curve([(away + edge * 6, tip - 4), (away + edge * 24, tip + 14), (away + edge * 28, tip + 38)])
                brush.line(line, fill=_shade(looks.skin, 0.68), width=4)

    def _mouth(self, brush: ImageDraw.ImageDraw, x: float, y: float, now: Expression) -> None:
        looks = self.looks
        lip = _blend(looks.skin, (170, 60, 66), 0.5)
        half = looks.mouth_width * (1 + 0.42 * now.stretch)
        jaw = max(0.0, now.jaw)
        middle = y + looks.mouth_height
        corner = middle - 19 * now.smile + 5 * jaw
        rise = 15 * max(0.0, now.upper_lip)
        top = middle - 4 - rise - 5 * jaw + 3 * max(0.0, now.smile)
        low = middle + 4 + 46 * jaw + (10 * now.smile if now.smile > 0 else 9 * now.smile) - 0.5 * rise
        low = max(low, top + 4)
        upper = _curve([(x - half, corner), (x - half * 0.5, (top + corner) / 2 - 3 - 0.4 * rise), (x, top),
                        (x + half * 0.5, (top + corner) / 2 - 3 - 0.4 * rise), (x + half, corner)])  # fmt: skip
        under = _curve([(x + half, corner), (x + half * 0.55, low - (low - corner) * 0.22), (x, low),
                        (x - half * 0.55, low - (low - corner) * 0.22), (x - half, corner)])  # fmt: skip
        above = [(px, py - looks.lips * _bow((px - x) / half)) for px, py in upper]
        below = [(px, py + looks.lips * 1.2 * _bow((px - x) / half)) for px, py in under]
        brush.polygon(above + below, fill=lip)
        brush.polygon(upper + under, fill=(64, 20, 24))
        show = min(1.0, now.teeth) * min(18.0, 0.62 * (low - top))
        if show > 3:
            edge = [(px, min(py + show, _height(under, px))) for px, py in reversed(upper)]
            brush.polygon(upper + edge, fill=(238, 234, 226))
        if now.teeth > 0.6 and now.smile < 0 and low - top > 14:
            # bared teeth: the lower row as well
            edge = [(px, max(py - 0.28 * (low - top), _height(upper, px))) for px, py in under]
            brush.polygon(edge + under[::-1], fill=(226, 220, 212))
        brush.line(upper, fill=_shade(lip, 0.45), width=4, joint="curve")
        if low - top > 10:
            brush.line(under, fill=_shade(lip, 0.7), width=3, joint="curve")
        if now.smile < -0.4:
            brush.line(_curve([(x - 22, low + 24), (x, low + 17), (x + 22, low + 24)]), fill=_shade(looks.skin, 0.7),
                       width=4)  # fmt: skip


def _bow(place: float) -> float:
    return max(0.0, 1 - place * place) ** 0.5


def _height(path: list[Point], x: float) -> float:
    """The height of a path at ``x``."""
    points = sorted(path)
    return float(np.interp(x, [p[0] for p in points], [p[1] for p in points]))


def _shade(colour: Colour, factor: float) -> Colour:
    return (round(colour[0] * factor), round(colour[1] * factor), round(colour[2] * factor))


def _blend(one: Colour, other: Colour, weight: float) -> Colour:
    mixed = [round(a + (b - a) * weight) for a, b in zip(one, other, strict=True)]
    return (mixed[0], mixed[1], mixed[2])


def _curve(points: list[Point], steps: int = 6) -> list[Point]:
    """A smooth path through the points (Catmull-Rom)."""
    path = []
    padded = [points[0], *points, points[-1]]
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(steps):
            t = step / steps
            path.append((_between(a[0], b[0], c[0], d[0], t), _between(a[1], b[1], c[1], d[1], t)))
    return [*path, points[-1]]


def _between(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3)
