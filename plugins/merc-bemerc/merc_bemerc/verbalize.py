"""What was measured of a person, as sentences. Each sentence rests on a number; the limits stand here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from merc_embedded import CLASSES

from merc_bemerc.face_tracking import FaceTrack

_LOOKS = dict(zip(CLASSES, ("angry", "disgusted", "afraid", "happy", "sad", "surprised", "neutral"), strict=True))
_COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}
_WHEN = ("at the beginning", "in the middle", "towards the end")

CLEARLY, MOSTLY = 0.75, 0.5
"""From these average probabilities on a face looks clearly, or mostly, like something."""
GROWS = 0.2
"""A change of a probability from the first third of a clip to the last that is described."""
SEEN = 0.8
"""A face that is there in a smaller share of the frames is described as such."""
ENOUGH = 0.5
"""What was measured in a smaller share of the frames, or of the steps between them, says in how many."""
MOVES = (0.02, 0.08, 0.2)
"""Shares of changed points: below them the body hardly moves, moves a little, moves; above, it moves a lot."""
HEAD = (0.03, 0.1, 0.3)
"""The same for the head, in its own heights a second: some 0.7, 2.5 and 7 cm a second."""
_MOVES = ("hardly moves", "moves a little", "moves", "moves a lot")
TILTED, CLEARLY_TILTED = 6.0, 13.0
"""Degrees from which on a head is slightly, or clearly, tilted."""
SWAYS = 0.15
"""The head sways when at least this share of the frames has it tilted to the one side, and to the other."""
SIZES = (0.08, 0.18, 0.35)
"""Heights of the face in heights of the picture: far away, at some distance, near, very near."""
NEARER = 1.12
"""By this factor a face grows from the first third of the clip to the last when it comes nearer."""
SINKS = 0.25
"""Heights of the face by which it sinks or rises."""


def tell(sight: FaceTrack) -> dict[str, str]:
    """The cues of a sight: ``face``, ``body`` and ``posture``, without those of which nothing was measured."""
    texts = {"face": _face(sight), "body": _body(sight), "posture": _posture(sight)}
    which = ""
    if sight.count > 1:
        count = _COUNTS.get(sight.count, "several")
        where = "in the middle" if sight.side == "middle" else f"on the {sight.side}"
        which = f"Of {count} faces, the one {where} is described. "
    return {name: which + text for name, text in texts.items() if text}


def _face(sight: FaceTrack) -> str:
    there = [at for at, face in enumerate(sight.faces) if face is not None]
    if not there:
        return ""
    chances = np.array([face.probabilities for face in sight.faces if face is not None], float)
    parts = _thirds(sight.times[there], sight.times)
    means = [chances[part].mean(0) for part in parts if part.any()]
    looks = [_look(mean) for mean in means]
    if len(set(looks)) == 1 or len({mean.argmax() for mean in means}) == 1:
        whole = chances.mean(0)
        best = int(whole.argmax())
        change = float(means[-1][best] - means[0][best])
        course = ", more and more so" if change > GROWS else ", less and less so" if change < -GROWS else ""
        if whole[best] < MOSTLY:
            course = ""
        text = f"The face looks {_look(whole)}{course or (' throughout' if len(there) > 1 else '')}."
    else:
        merged = [looks[0]]
        for look in looks[1:]:
            if look != merged[-1]:
                merged.append(look)
        openings = (
            ("At first the face looks", ", then")
            if len(merged) == 2
            else ("At first the face looks", ", then", ", at the end")
        )
        text = "".join(f"{opening} {look}" for opening, look in zip(openings, merged, strict=True)) + "."
    if len(there) < SEEN * len(sight.faces):
        text += f" It is seen in {len(there)} of {len(sight.faces)} frames{_mostly_when(_shares(there, sight.times))}."
    return text


def _look(chances: npt.NDArray[np.float64]) -> str:
    first, second = np.argsort(-chances, kind="stable")[:2]
    names = tuple(_LOOKS.values())
    if chances[first] >= CLEARLY:
        return f"clearly {names[first]}"
    if chances[first] >= MOSTLY:
        return f"mostly {names[first]}"
    # in one order, so that the same two make no change
    one, two = sorted((first, second))
    return f"between {names[one]} and {names[two]}"


def _body(sight: FaceTrack) -> str:
    sentences = []
    known = ~np.isnan(sight.strides[:, 0])
    if known.any():
        strides = sight.strides[known]
        speeds = np.hypot(*strides.T) / np.diff(sight.times)[known]
        x, y = np.abs(strides).mean(0)
        way = ", from side to side" if x > 2 * y else ", up and down" if y > 2 * x else ""
        moves = speeds.mean() >= HEAD[0]
        word = _grade(float(speeds.mean()), HEAD, _MOVES)
        when = (way + _mostly_when(_stir(speeds, known, sight.times))) if moves else ""
        sentences.append(f"The head {word}{when}{_as_seen(known)}.")
    elif not any(sight.faces):
        sentences.append("No face is found.")
    moved = sight.moved[~np.isnan(sight.moved)]
    if len(moved):
        subject = "The body below it" if any(sight.faces) else "The picture as a whole"
        word = _grade(float(moved.mean()), MOVES, _MOVES)
        stir = _stir(moved, ~np.isnan(sight.moved), sight.times)
        when = _mostly_when(stir) if float(moved.mean()) >= MOVES[0] else ""
        sentences.append(f"{subject} {word}{when}{_as_seen(~np.isnan(sight.moved))}.")
    if sight.cuts:
        sentences.append(f"The picture cuts to another view {'once' if sight.cuts == 1 else f'{sight.cuts} times'}.")
    return " ".join(sentences) if len(moved) or known.any() else ""


def _posture(sight: FaceTrack) -> str:
    known = ~np.isnan(sight.places[:, 0]) if len(sight.places) else np.zeros(0, bool)
    if not known.any():
        return ""
    x, _, size = sight.places[known].mean(0)
    tilts = [value for value in sight.tilts if value is not None]
    where = "on the left" if x < 0.4 else "on the right" if x > 0.6 else "in the middle"
    far = _grade(float(size), SIZES, ("far away", "at some distance", "near", "very near"))
    held = f", {_held(tilts)}" if tilts else ""
    sentences = [f"The head is {where} of the picture, {far}{held}{_as_seen(known, 'frames')}."]
    parts = [sight.places[known][part] for part in _thirds(sight.times[known], sight.times)]
    if len(parts[0]) and len(parts[-1]):
        first, last = parts[0].mean(0), parts[-1].mean(0)
        growth = last[2] / first[2]
        if growth > NEARER or growth < 1 / NEARER:
            sentences.append("It comes nearer." if growth > NEARER else "It draws back.")
        drop = (last[1] - first[1]) / size
        if abs(drop) > SINKS:
            sentences.append("It sinks." if drop > 0 else "It rises.")
    return " ".join(sentences)


def _as_seen(known: npt.NDArray[np.bool_], what: str = "steps between frames") -> str:
    """In how many frames, or steps, something was measured, where they are few."""
    count = int(known.sum())
    return f" (as far as seen, in {count} of {len(known)} {what})" if count < ENOUGH * len(known) else ""


def _held(tilts: Sequence[float]) -> str:
    values = np.asarray(tilts)
    if min((values > TILTED).mean(), (values < -TILTED).mean()) >= SWAYS:
        return "tilted now to one side, now to the other"
    mean = float(values.mean())
    if abs(mean) < TILTED:
        return "held upright"
    much = "clearly" if abs(mean) >= CLEARLY_TILTED else "slightly"
    return f"tilted {much} to the {'right' if mean > 0 else 'left'}"


def _grade(value: float, limits: Sequence[float], words: Sequence[str]) -> str:
    return words[int(np.searchsorted(limits, value, side="right"))]


def _thirds(times: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> list[npt.NDArray[np.bool_]]:
    """Which of the times lie in each third of the clip."""
    edges = np.linspace(whole[0], whole[-1], 4)[1:3]
    place = np.searchsorted(edges, times, side="right")
    return [place == third for third in range(3)]


def _shares(there: Sequence[int], times: npt.NDArray[np.float64]) -> list[float]:
    """In how many of the frames of each third something is there."""
    parts = [np.flatnonzero(part) for part in _thirds(times, times)]
    return [float(np.isin(part, there).mean()) if len(part) else np.nan for part in parts]


def _stir(
    amounts: npt.NDArray[np.float64], known: npt.NDArray[np.bool_], times: npt.NDArray[np.float64]
) -> list[float]:
    """How much moves in each third: amounts of the steps between frames that are known."""
    middles = (times[1:] + times[:-1]) / 2
    parts = _thirds(middles[known], times)
    return [float(amounts[part].mean()) if part.any() else np.nan for part in parts]


def _mostly_when(amounts: Sequence[float]) -> str:
    """The third that stands out, by half as much again as the mean of all, if one does. A third of which nothing is
    known has NaN."""
    if np.isnan(amounts).all():
        return ""
    best = int(np.nanargmax(amounts))
    return f", mostly {_WHEN[best]}" if amounts[best] > 1.5 * np.nanmean(amounts) else ""
