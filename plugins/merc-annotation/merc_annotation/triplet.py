"""An annotation triplet: a label, the steps that lead to it, and the evidence of each modality (survey, 4.3)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MODALITIES = ("visual", "audio", "text")
"""What evidence may be of."""
_STEP = re.compile(r"^\s*(?:step\s*)?\d+\s*[:.)\-]\s*", re.IGNORECASE)


class NoTriplet(ValueError):
    """Something is no triplet; the message says what is wrong, in words that a teacher can act on."""


@dataclass(frozen=True, kw_only=True)
class Triplet:
    """What a teacher says of one utterance."""

    label: str
    """The emotion, in the set's own words."""
    labels: tuple[str, ...] = ()
    """Further emotions, where several are shown at once; without ``label``."""
    intensity: float | None = None
    """How strong the emotion is, from 0 to 1; None where that was not said."""
    steps: tuple[str, ...]
    """What leads to the label, step by step, without numbers before them."""
    evidence: Mapping[str, str] = field(default_factory=dict)
    """What speaks for it, by modality; one without evidence is left out."""
    conflicts: tuple[str, ...] = ()
    """Where modalities contradict each other, and how that was settled."""
    certainty: float | None = None
    """How sure the teacher says it is, from 0 to 1; None where that was not said."""

    def text(self) -> str:
        """The triplet as JSON, as cues hold it."""
        whole = {
            "label": self.label,
            "labels": list(self.labels),
            "intensity": self.intensity,
            "steps": list(self.steps),
            "evidence": dict(self.evidence),
            "conflicts": list(self.conflicts),
            "certainty": self.certainty,
        }
        return json.dumps(whole, ensure_ascii=False)

    @staticmethod
    def read(text: str) -> Triplet:
        """The triplet of a text that ``text`` wrote. Raises NoTriplet."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise NoTriplet("it is no JSON") from None
        if not isinstance(value, dict):
            raise NoTriplet("it is no JSON object")
        return triplet_of(value)

    def numbered(self) -> str:
        """The steps as lines.

        >>> print(Triplet(label="joy", steps=("She smiles.", "So she is glad.")).numbered())
        Step 1: She smiles.
        Step 2: So she is glad.
        """
        return "\n".join(f"Step {number}: {step}" for number, step in enumerate(self.steps, start=1))


def triplet_of(value: Mapping[str, Any], known: Sequence[str] = ()) -> Triplet:
    """The triplet that a teacher gave, made uniform: steps without their own numbers, evidence by modality, a label
    with the spelling of ``known`` where that is given. Raises NoTriplet.

    >>> triplet_of({"label": "Joy", "steps": ["Step 1: She smiles."], "evidence": {"visual": "a smile"}}, ["joy"]).steps
    ('She smiles.',)
    """
    extra = [key for key in value if key not in Triplet.__dataclass_fields__]
    if extra:
        raise NoTriplet(f"{extra[0][:60]!r} is none of the keys {', '.join(Triplet.__dataclass_fields__)}")
    return Triplet(
        label=_label(value.get("label"), known, "label"),
        labels=tuple(_label(one, known, "labels") for one in _list(value, "labels")),
        intensity=_share(value, "intensity"),
        steps=_steps(value),
        evidence=_evidence(value.get("evidence")),
        conflicts=tuple(_words(one, "conflicts") for one in _list(value, "conflicts")),
        certainty=_share(value, "certainty"),
    )


def _label(value: Any, known: Sequence[str], where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise NoTriplet(f"{where} should be one of {', '.join(known) or 'the labels'}, not {_shown(value)}")
    by_name = {one.casefold(): one for one in known}
    label = value.strip()
    if known and label.casefold() not in by_name:
        raise NoTriplet(f"{where} {label[:60]!r} is none of {', '.join(known)}")
    return by_name.get(label.casefold(), label)


def _steps(value: Mapping[str, Any]) -> tuple[str, ...]:
    steps = tuple(_STEP.sub("", _words(one, "steps")) for one in _list(value, "steps"))
    if not steps:
        raise NoTriplet("steps is empty; give at least one step that leads to the label")
    return steps


def _evidence(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise NoTriplet(f"evidence should be an object with {', '.join(MODALITIES)}, not {_shown(value)}")
    wrong = [key for key in value if key not in MODALITIES]
    if wrong:
        raise NoTriplet(f"evidence has {wrong[0][:60]!r}; it may have {', '.join(MODALITIES)}")
    return {name: _words(value[name], f"evidence.{name}") for name in MODALITIES if value.get(name) is not None}


def _list(value: Mapping[str, Any], key: str) -> list[Any]:
    held = value.get(key)
    if held is None:
        return []
    if not isinstance(held, list):
        raise NoTriplet(f"{key} should be a list, not {_shown(held)}")
    return held


def _words(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise NoTriplet(f"{where} should hold texts with words in them, not {_shown(value)}")
    return " ".join(value.split())


def _share(value: Mapping[str, Any], key: str) -> float | None:
    held = value.get(key)
    if held is None:
        return None
    if isinstance(held, bool) or not isinstance(held, int | float) or not 0 <= held <= 1:
        raise NoTriplet(f"{key} should be a number from 0 to 1 or null, not {_shown(held)}")
    return float(held)


def _shown(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)[:60]
    except (ValueError, RecursionError):
        return "something nested"
