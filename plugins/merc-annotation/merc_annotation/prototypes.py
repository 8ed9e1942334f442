"""Prototypes of emotions in action units, and how aroused an emotion usually is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from merc_annotation.unit_table import UnitTable

EMOTIONS = ("neutral", "joy", "sadness", "anger", "fear", "surprise", "disgust")
"""The emotions of which a prototype is known."""

_UNITS: Mapping[str, tuple[str, ...]] = {
    "neutral": (),
    "joy": ("AU06", "AU12"),
    "sadness": ("AU01", "AU04", "AU15"),
    "anger": ("AU04", "AU05"),
    "fear": ("AU01", "AU02", "AU04", "AU05", "AU20"),
    "surprise": ("AU01", "AU02", "AU05", "AU26"),
    "disgust": ("AU09", "AU10", "AU15"),
}
_AROUSED = {"joy": 1, "anger": 1, "fear": 1, "surprise": 1, "sadness": -1, "neutral": -1}
_SYNONYMS = {
    "happiness": "joy",
    "happy": "joy",
    "joyful": "joy",
    "sad": "sadness",
    "angry": "anger",
    "afraid": "fear",
    "fearful": "fear",
    "surprised": "surprise",
    "disgusted": "disgust",
    "calm": "neutral",
}
_REST = 1.0
"""A face none of whose prototypes reaches this mean intensity, from 0 to 5, is neutral."""


def label_of_face(table: UnitTable | None, labels: Sequence[str]) -> tuple[str, float] | None:
    """The label whose prototype a face is nearest to at its peak, and its share among all; None where the table is.
    Raises ValueError for a label of which no prototype is known.

    >>> smile = {"AU06": np.array([0.0, 3.0]), "AU12": np.array([0.0, 4.0])}
    >>> label_of_face(UnitTable("proxies", np.arange(2.0), smile), ["neutral", "happy", "sad"])
    ('happy', 0.78)
    """
    emotions = {label: emotion_of(label) for label in labels}
    unknown = [label for label, emotion in emotions.items() if emotion is None]
    if unknown:
        raise ValueError(
            f"no prototype of action units is known for the label {unknown[0]!r}; known are {', '.join(EMOTIONS)}"
        )
    if table is None:
        return None
    at = table.peak()
    here = {name: float(values[at]) for name, values in table.values.items()}
    scores = {
        label: np.mean([here.get(unit, 0.0) for unit in _UNITS[emotion]]) if _UNITS[emotion] else _REST
        for label, emotion in emotions.items()
        if emotion is not None
    }
    best = max(scores, key=lambda label: scores[label])
    return best, round(float(scores[best] / sum(scores.values())), 2)


def emotion_of(label: str) -> str | None:
    """The emotion with a prototype that a label means.

    >>> emotion_of("Happiness"), emotion_of("nostalgia")
    ('joy', None)
    """
    name = label.strip().casefold()
    return name if name in _UNITS else _SYNONYMS.get(name)


def aroused(label: str) -> int | None:
    """Whether somebody with this emotion is usually aroused (1) or calm (-1); None where that is open."""
    return _AROUSED.get(emotion_of(label) or "")
