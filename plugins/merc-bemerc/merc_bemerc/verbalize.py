"""What was measured of a person, as sentences. Each sentence rests on a number and says over which part of the clip it
holds; the limits stand here."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from merc_embedded import CLASSES

from merc_bemerc.measuring import Measures

_LOOKS = dict(zip(CLASSES, ("angry", "disgusted", "afraid", "happy", "sad", "surprised", "neutral"), strict=True))
_COUNTS = {2: "Two", 3: "Three", 4: "Four", 5: "Five"}
_WHEN = ("at the beginning", "in the middle", "towards the end")

CLEARLY, MOSTLY = 0.75, 0.6
"""From these average probabilities on a face looks clearly, or mostly, like something."""
AGREE = 0.6
"""In so many of its frames that must be the likeliest class."""
GROWS = 0.2
"""A change of a probability from the first third of a clip to the last that is described."""
ENOUGH = 1 / 3
"""What was measured in a smaller share of the frames, or in fewer than three, is not described."""
NEARLY_ALL = 0.8
"""What is said of how the head is held is true in so many of the frames where it was measured."""
MOVES = (0.03, 0.25, 0.6)
"""Heights of the face a second: below them the body hardly moves, moves a little, moves; above, it moves a lot."""
CHANGES = (0.02, 0.08, 0.2)
"""The same for the share of points that change in a picture without a face."""
_MOVES = ("hardly moves", "moves a little", "moves", "moves a lot")
_CHANGES = ("hardly changes", "changes a little", "changes", "changes a lot")
CAMERA, STILL = 0.5, 0.1
"""Where the rest of the picture moves more than this share of the body, and faster than this, the camera may move."""
PLACE = (0.25, 0.7, 1.5)
"""Widths of the face within which its place in the picture stays (from the tenth to the ninetieth of a hundred)."""
_PLACE = ("keeps its place", "moves a little", "moves", "moves far")
GOES = 0.5
"""Widths of the face from the first third of the clip to the last that make a direction."""
UPRIGHT, TILTED, CLEARLY_TILTED = 6.0, 8.0, 15.0
"""Degrees up to which a head is upright, and from which on it is slightly, or clearly, tilted."""
AHEAD, TURNED, PROFILE = 0.25, 0.3, 0.75
"""How far the nose is from the middle between the ears, in widths between them, of a head that faces the camera, is
turned, and is turned far."""
SIZES = (0.08, 0.113, 0.146, 0.183, 0.225, 0.29, 0.365, 0.45, 0.58)
_SIZES = (
    "less than a tenth", "about a tenth", "about an eighth", "about a sixth", "about a fifth", "about a quarter",
    "about a third", "about two fifths", "about half", "more than half",
)  # fmt: skip
NEARER = 1.3
"""By this factor a face grows from the first third of the clip to the last when it comes nearer."""


def tell(measures: Measures) -> dict[str, str]:
    """The cues: ``face``, ``body`` and ``posture``, without those of which too little was measured."""
    seen = np.array([face is not None for face in measures.faces], bool)
    if not _enough(seen):
        body = _without_face(measures, seen)
        return {"body": body} if body else {}
    texts = {"face": _face(measures, seen), "body": _body(measures), "posture": _posture(measures)}
    return {name: _which(measures) + text for name, text in texts.items() if text}


def _which(measures: Measures) -> str:
    """Whom the sentences are about, where there are several."""
    if measures.count < 2:
        return ""
    where = "in the middle" if measures.side == "middle" else f"on the {measures.side}"
    known = {
        "mouth": f"what follows is of the one {where}, whose mouth moves most",
        "largest": f"what follows is of the one that is seen best, {where}; who speaks is not known",
    }
    return f"{_COUNTS.get(measures.count, 'Several')} faces are seen; {known[measures.why]}. "


def _enough(known: npt.NDArray[np.bool_]) -> bool:
    """Whether something was measured often enough to be described."""
    return bool(len(known)) and int(known.sum()) >= min(len(known), max(3, math.ceil(ENOUGH * len(known))))


def _part(known: npt.NDArray[np.bool_], times: npt.NDArray[np.float64], what: str = "frames") -> str:
    """In how many frames something was measured, and in which third of the clip it never was."""
    if known.all():
        return f"in all {len(known)} {what}" if len(known) > 1 else "in its one frame"
    empty = [
        when for when, part in zip(_WHEN, _thirds(times, times), strict=True) if part.any() and not known[part].any()
    ]
    return f"in {known.sum()} of {len(known)} {what}" + (f", none of them {' or '.join(empty)}" if empty else "")


def _without_face(measures: Measures, seen: npt.NDArray[np.bool_]) -> str:
    changed = measures.changed[~np.isnan(measures.changed)]
    face = (
        f"A face is seen in only {seen.sum()} of {len(seen)} frames and is not described."
        if seen.any()
        else "No face is found."
    )
    if seen.any():
        return face
    if not _enough(~np.isnan(measures.changed)):
        return ""
    return f"{face} The picture as a whole {_grade(float(changed.mean()), CHANGES, _CHANGES)}.{_cuts(measures)}"


def _face(measures: Measures, seen: npt.NDArray[np.bool_]) -> str:
    there = np.flatnonzero(seen)
    chances = np.array([face.probabilities for face in measures.faces if face is not None], float)
    parts = [chances[part] for part in _thirds(measures.times[there], measures.times)]
    looks = [_look(part) for part in parts]
    text = f"The face is seen {_part(seen, measures.times)}."
    whole = _look(chances)
    if all(looks) and len({look.split()[-1] for look in looks}) > 1 and min(map(len, parts)) >= 2:
        merged = [look for at, look in enumerate(looks) if not at or look != looks[at - 1]]
        openings = ("At first it looks", ", then", ", at the end")
        course = "".join(f"{opening} {look}" for opening, look in zip(openings, merged, strict=False))
        return f"{text} {course}."
    if not whole:
        return f"{text} Its emotion could not be read clearly."
    best = int(chances.mean(0).argmax())
    change = float(parts[-1][:, best].mean() - parts[0][:, best].mean()) if all(map(len, (parts[0], parts[-1]))) else 0
    course = ", more and more so" if change > GROWS else ", less and less so" if change < -GROWS else ""
    return f"{text} It looks {whole}{course}."


def _look(chances: npt.NDArray[np.float64]) -> str:
    """What faces look like whose probabilities ``[n, 7]`` agree; empty where they do not."""
    if not len(chances):
        return ""
    mean = chances.mean(0)
    best = int(mean.argmax())
    if mean[best] < MOSTLY or (chances.argmax(1) == best).mean() < AGREE:
        return ""
    return f"{'clearly' if mean[best] >= CLEARLY else 'mostly'} {tuple(_LOOKS.values())[best]}"


def _body(measures: Measures) -> str:
    sentences = []
    known = ~np.isnan(measures.places[:, 0])
    if len(known) > 2:
        low, high = np.percentile(_in_faces(measures)[known], (10, 90), axis=0)
        extent = float(np.hypot(*(high - low)))
        way = _way(measures, known) if extent >= PLACE[0] else ""
        sentences.append(
            f"The head {_grade(extent, PLACE, _PLACE)} in the picture{way} ({_part(known, measures.times)})."
        )
    steps = ~np.isnan(measures.moved)
    if _enough(steps):
        moved = float(measures.moved[steps].mean())
        around = measures.around[steps & ~np.isnan(measures.around)]
        if len(around) and around.mean() > max(STILL, CAMERA * moved):
            sentences.append("The picture around it moves too, so how much the body moves is not known.")
        else:
            held = "" if steps.all() else f" ({_part(steps, (measures.times[1:] + measures.times[:-1]) / 2, 'steps')})"
            sentences.append(f"The body below it {_grade(moved, MOVES, _MOVES)}{held}.")
    return " ".join(sentences) + _cuts(measures)


def _cuts(measures: Measures) -> str:
    if not measures.cuts:
        return ""
    return f" The picture cuts to another view {'once' if measures.cuts == 1 else f'{measures.cuts} times'}."


def _in_faces(measures: Measures) -> npt.NDArray[np.float64]:
    """The middles of the face ``[n, 2]`` in sizes of the face."""
    return measures.places[:, :2] * (measures.aspect, 1) / np.nanmean(measures.places[:, 2])


def _way(measures: Measures, known: npt.NDArray[np.bool_]) -> str:
    """Where the head goes from the first third of the clip to the last, if it does."""
    parts = [_in_faces(measures)[known][part] for part in _thirds(measures.times[known], measures.times)]
    if not len(parts[0]) or not len(parts[-1]):
        return ""
    right, down = parts[-1].mean(0) - parts[0].mean(0)
    if max(abs(right), abs(down)) < GOES:
        return ""
    if abs(right) > abs(down):
        return ", to the right" if right > 0 else ", to the left"
    return ", downwards" if down > 0 else ", upwards"


def _posture(measures: Measures) -> str:
    known = ~np.isnan(measures.places[:, 0])
    size = float(measures.places[known][:, 2].mean())
    sentences = [
        f"The head is {_where(measures.places[known][:, 0])} of the picture, its face {_share(size)} of the "
        f"picture's height ({_part(known, measures.times)})."
    ]
    held = [text for text in (_turned(measures.turns[known]), _tilted(measures.tilts[known])) if text]
    if held:
        sentences.append(f"It {' and '.join(held)}.")
    parts = [measures.places[known][part][:, 2] for part in _thirds(measures.times[known], measures.times)]
    if len(parts[0]) and len(parts[-1]):
        growth = parts[-1].mean() / parts[0].mean()
        if growth > NEARER or growth < 1 / NEARER:
            sentences.append("It comes nearer." if growth > NEARER else "It draws back.")
    return " ".join(sentences)


def _where(x: npt.NDArray[np.float64]) -> str:
    """Which thirds of the picture's width the middle of the head is in; a head near an edge between two is in both."""
    low, high = np.percentile(x, (10, 90))
    names = ("on the left", "in the middle", "on the right")
    first, last = (int(np.searchsorted((1 / 3, 2 / 3), value)) for value in (low, high))
    between = ("between the left and the middle", "between the middle and the right")
    for at, edge in enumerate((1 / 3, 2 / 3)):
        if low < edge + 0.06 and high > edge - 0.06 and abs(last - first) <= 1:
            return between[at]
    return names[first] if first == last else "now on the left, now on the right"


def _share(size: float) -> str:
    return _grade(size, SIZES, _SIZES)


def _turned(turns: npt.NDArray[np.float64]) -> str:
    """How the head is turned, where nearly all of its frames agree, or where it is turned to both sides."""
    if (~np.isnan(turns)).mean() < NEARLY_ALL:
        return ""
    turns = turns[~np.isnan(turns)]
    if (np.abs(turns) < AHEAD).mean() >= NEARLY_ALL:
        return "faces the camera"
    if min((turns > TURNED).sum(), (turns < -TURNED).sum()) >= 2:
        return "is turned now to the left of the picture, now to the right"
    for sign, side in ((1, "right"), (-1, "left")):
        if (sign * turns > AHEAD / 2).mean() >= NEARLY_ALL and sign * turns.mean() > TURNED:
            far = "far " if (sign * turns > PROFILE).mean() >= NEARLY_ALL else ""
            return f"is turned {far}to the {side} of the picture"
    return ""


def _tilted(tilts: npt.NDArray[np.float64]) -> str:
    if (~np.isnan(tilts)).mean() < NEARLY_ALL:
        return ""
    tilts = tilts[~np.isnan(tilts)]
    if (np.abs(tilts) < 1.5 * UPRIGHT).mean() >= NEARLY_ALL and abs(tilts.mean()) < UPRIGHT:
        return "is held upright"
    if min((tilts > TILTED).sum(), (tilts < -TILTED).sum()) >= 2:
        return "is tilted now to one side, now to the other"
    for sign, side in ((1, "right"), (-1, "left")):
        if (sign * tilts > UPRIGHT / 2).mean() >= NEARLY_ALL and sign * tilts.mean() > TILTED:
            much = "clearly" if sign * tilts.mean() >= CLEARLY_TILTED else "slightly"
            return f"is tilted {much} to the {side}"
    return ""


def _grade(value: float, limits: Sequence[float], words: Sequence[str]) -> str:
    return words[int(np.searchsorted(limits, value, side="right"))]


def _thirds(times: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> list[npt.NDArray[np.bool_]]:
    """Which of the times lie in each third of the clip."""
    edges = np.linspace(whole[0], whole[-1], 4)[1:3]
    place = np.searchsorted(edges, times, side="right")
    return [place == third for third in range(3)]
