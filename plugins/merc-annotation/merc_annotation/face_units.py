"""Facial action units from the geometry of a mesh: proxies, each named with the unit of FACS that it stands for.

They measure how points of a face lie to each other, in widths of the face between the outer corners of the eyes, after
the face was turned upright. They are no FACS coding: nobody has certified them, wrinkles and bulges are not seen, and a
head that turns far changes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
"""A mesh ``[468, 3]`` in pixels: x to the right, y down, z smaller nearer."""
Values = npt.NDArray[np.float64]

MOST = 5.0
"""The strongest intensity, as FACS's levels A to E and OpenFace's 0 to 5 have it."""


@dataclass(frozen=True)
class Unit:
    """One action unit: its number in FACS, what it is called, its measure in a face at rest, and by how much that
    changes up to the strongest intensity, both in widths of the face."""

    number: int
    meaning: str
    rest: float
    span: float

    @property
    def name(self) -> str:
        """The name in tables, as OpenFace writes it.

        >>> UNITS["AU01"].name
        'AU01'
        """
        return f"AU{self.number:02d}"


UNITS: Mapping[str, Unit] = {
    unit.name: unit
    for unit in (
        Unit(1, "inner brows raised", 0.186, 0.11),
        Unit(2, "outer brows raised", 0.183, 0.10),
        Unit(4, "brows lowered and drawn together", -0.238, 0.10),
        Unit(5, "upper lids raised", 0.039, 0.05),
        Unit(6, "cheeks raised", -0.107, 0.05),
        Unit(9, "nose wrinkled", -0.729, 0.12),
        Unit(10, "upper lip raised", 0.070, 0.08),
        Unit(12, "lip corners pulled up", 0.053, 0.20),
        Unit(15, "lip corners pulled down", -0.020, 0.10),
        Unit(20, "lips stretched", 0.533, 0.20),
        Unit(25, "lips parted", 0.033, 0.25),
        Unit(26, "jaw dropped", 0.363, 0.25),
        Unit(45, "eyes closed", -0.085, 0.08),
    )
}
"""The units that are measured, in the order of their numbers. What is at rest are medians over nine recorded people."""

OWN = 0.5
"""How much of a person's difference from others at rest is taken from the clip."""
FEW = 5
"""So many clips of a speaker count half of what everybody's do."""


# Points of the mesh, of the person's right side (left in the picture) and of the left one.
_EYE_OUTER, _EYE_INNER = (33, 263), (133, 362)
_LID_UPPER, _LID_LOWER = ((158, 159, 160), (385, 386, 387)), ((144, 145, 153), (380, 374, 373))
_BROW_INNER, _BROW_OUTER = ((55, 107), (285, 336)), ((46, 53, 63, 70), (276, 283, 293, 300))
_CHEEK, _CORNER, _LIP_BOW = (117, 346), (61, 291), (37, 267)
_LIP_TOP, _LIP_UPPER, _LIP_LOWER, _LIP_BOTTOM = 0, 13, 14, 17
_NOSE_BOTTOM, _BRIDGE, _CHIN = 2, 168, 152


def measures(points: Points) -> dict[str, float]:
    """The measure of each unit in a mesh, larger where the unit is stronger, in widths of the face; without a rest to
    compare with it has no zero."""
    face = _upright(points)

    def y(*places: int) -> float:
        return float(face[list(places), 1].mean())

    def both(value: Values) -> float:
        return float(value.mean())

    # y grows downwards, so what is higher is smaller
    inner = both(np.array([y(_EYE_INNER[s]) - y(*_BROW_INNER[s]) for s in (0, 1)]))
    outer = both(np.array([y(_EYE_OUTER[s]) - y(*_BROW_OUTER[s]) for s in (0, 1)]))
    gap = float(np.linalg.norm(face[_BROW_INNER[0][0], :2] - face[_BROW_INNER[1][0], :2]))
    line = [(y(_EYE_INNER[s]) + y(_EYE_OUTER[s])) / 2 for s in (0, 1)]
    upper = both(np.array([line[s] - y(*_LID_UPPER[s]) for s in (0, 1)]))
    lower = both(np.array([line[s] - y(*_LID_LOWER[s]) for s in (0, 1)]))
    opening = upper - lower
    cheek = both(np.array([line[s] - y(_CHEEK[s]) for s in (0, 1)]))
    nose, corner = y(_NOSE_BOTTOM), y(*_CORNER)
    width = float(np.linalg.norm(face[_CORNER[0], :2] - face[_CORNER[1], :2]))
    parted = y(_LIP_LOWER) - y(_LIP_UPPER)
    return {
        "AU01": inner,
        "AU02": outer,
        "AU04": -(inner + gap) / 2,
        "AU05": upper,
        "AU06": (lower + cheek) / 2,
        "AU09": y(_BRIDGE) - y(_LIP_TOP),
        "AU10": corner - y(*_LIP_BOW),
        "AU12": width / 2 - (corner - nose),
        "AU15": corner - y(_LIP_UPPER, _LIP_LOWER),
        "AU20": width,
        "AU25": parted,
        "AU26": y(_LIP_BOTTOM) - nose,
        "AU45": -opening,
    }


def intensities(by_frame: Mapping[str, Values]) -> dict[str, Values]:
    """The intensity of each unit in each frame ``[frames]``, from 0 to ``MOST``, from its ``measures`` there, where
    nothing but the clip is known of the person.

    The clip says something of how this face lies at rest, the value that a quarter of its frames stay below, and what
    people look like says the rest: the person's rest is the usual one, moved by the share ``OWN`` towards the clip's.
    With the clip alone, what somebody shows from the first frame to the last would not be seen. What is lower while
    something is shown (corners of the mouth in sadness) then counts a little where it is not shown: take
    ``compared_with`` where other clips tell how people look.
    """
    usual = {name: UNITS[name].rest for name in by_frame}
    rest = {name: usual[name] + OWN * (float(np.quantile(v, 0.25)) - usual[name]) for name, v in by_frame.items()}
    return compared_with(rest, by_frame)


def compared_with(rest: Mapping[str, float], by_frame: Mapping[str, Values]) -> dict[str, Values]:
    """The same compared with a face at ``rest``: the measure of each unit there.

    >>> unit = UNITS["AU12"]
    >>> compared_with({"AU12": 0.1}, {"AU12": np.array([0.0, 0.1, 0.1 + unit.span / 2])})["AU12"].tolist()
    [0.0, 0.0, 2.5]
    """
    return {
        name: np.clip((values - rest[name]) / UNITS[name].span, 0.0, 1.0) * MOST for name, values in by_frame.items()
    }


def rests(by_speaker: Mapping[str | None, Sequence[Mapping[str, float]]]) -> dict[str | None, dict[str, float]]:
    """The measures at rest of each speaker, and under ``None`` those of everybody, from the median measures of clips.

    People show one thing in one clip and another in the next, so the median over clips is near to rest. A speaker's is
    drawn towards everybody's the more, the fewer clips there are: those of ``FEW`` clips count half.

    >>> clips = {"A": [{"AU12": 0.2}] * FEW, None: [{"AU12": 0.0}] * 2 * FEW}
    >>> {who: round(rest["AU12"], 3) for who, rest in rests(clips).items()}
    {None: 0.0, 'A': 0.1}
    """
    everybody = [clip for clips in by_speaker.values() for clip in clips]
    names = list(everybody[0]) if everybody else []
    common = {name: float(np.median([clip[name] for clip in everybody])) for name in names}
    known: dict[str | None, dict[str, float]] = {None: common}
    for speaker, clips in by_speaker.items():
        if speaker is not None:
            share = len(clips) / (len(clips) + FEW)
            own = {name: float(np.median([clip[name] for clip in clips])) for name in names}
            known[speaker] = {name: share * own[name] + (1 - share) * common[name] for name in names}
    return known


def _upright(points: Points) -> Points:
    """The mesh in widths of the face, moved to its middle between the eyes and turned so that the eyes stand level and
    the face looks ahead."""
    eyes = points[list(_EYE_OUTER)]
    across = eyes[1] - eyes[0]
    width = float(np.linalg.norm(across))
    side = across / width
    down = (points[_NOSE_BOTTOM] + points[_CHIN]) / 2 - eyes.mean(axis=0)
    down = down - side * (down @ side)
    down = down / np.linalg.norm(down)
    ahead = np.cross(side, down)
    turned: Points = (points - eyes.mean(axis=0)) @ np.stack([side, down, ahead]).T / width
    return turned
