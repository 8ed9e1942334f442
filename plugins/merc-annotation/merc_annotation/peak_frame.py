"""Annotator ``peak-frame``: when a face shows most, by the sum of its action units."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merc import Annotation, Annotator, Observation
from merc_annotation.unit_table import UnitTable, meaning

if TYPE_CHECKING:
    from merc import AnnotateFunction

NO_TABLE = "there are no action units"


@dataclass(frozen=True, kw_only=True)
class PeakFrame(Annotator):
    """Writes ``peak_frame``, as JSON: the ``time`` at which the sum of intensities is highest, in seconds from the
    start of the utterance, which ``frame`` of those that were looked at it is, from 0, that ``sum``, and the ``units``
    then (lines 1 to 9 of Algorithm 1 of Emotion-LLaMAv2). It reads ``action_units``, whoever wrote them."""

    def fields(self) -> tuple[str, ...]:
        """``peak_frame``."""
        return ("peak_frame",)

    def reads(self) -> tuple[str, ...]:
        """``action_units``."""
        return ("action_units",)

    def load(self, device: str) -> AnnotateFunction:
        """Nothing is loaded."""

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                yield one.query.target.id, _peak(one)

        return annotate


@dataclass(frozen=True, kw_only=True)
class VisualExpression(Annotator):
    """Writes ``visual_expression``, in words: which action units the face shows at its peak and how strongly, what it
    shows through most of the utterance, and how that changes. It reads ``action_units`` and needs no model."""

    least: float = 1.0
    """The least intensity, from 0 to 5, of a unit that is named."""

    def __post_init__(self) -> None:
        if not 0 < self.least <= 5:
            raise ValueError(f"least is an intensity above 0 and at most 5, not {self.least:g}")

    def fields(self) -> tuple[str, ...]:
        """``visual_expression``."""
        return ("visual_expression",)

    def reads(self) -> tuple[str, ...]:
        """``action_units``."""
        return ("action_units",)

    def load(self, device: str) -> AnnotateFunction:
        """Nothing is loaded."""

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                table = table_of(one)
                lacking = Annotation(reason=table) if isinstance(table, str) else None
                yield one.query.target.id, lacking or Annotation(cues={"visual_expression": tell(table, self.least)})

        return annotate


def table_of(one: Observation) -> UnitTable | str:
    """The action units that an observation shows, or why there are none."""
    text = one.query.target.cues.get("action_units")
    if text is None:
        return f"{NO_TABLE}: {one.lacking.get('action_units', 'nobody measured them')}"
    try:
        return UnitTable.read(text)
    except ValueError as error:
        return f"the cue action_units cannot be read: {error}"


def _peak(one: Observation) -> Annotation:
    table = table_of(one)
    if isinstance(table, str):
        return Annotation(reason=table)
    at = table.peak()
    peak = {
        "time": round(float(table.times[at]), 3),
        "frame": at,
        "sum": round(float(table.total()[at]), 2),
        "units": {name: round(value, 2) for name, value in table.strongest(at, 0.5)},
        "source": table.source,
    }
    return Annotation(cues={"peak_frame": json.dumps(peak)})


def peak_time(text: str | None) -> float | None:
    """The time of a cue ``peak_frame``, in seconds; None where it is no such cue.

    >>> peak_time('{"time": 1.4, "sum": 9.5}'), peak_time("soon")
    (1.4, None)
    """
    try:
        return max(0.0, float(json.loads(text or "")["time"]))
    except (ValueError, TypeError, KeyError):
        return None


def tell(table: UnitTable, least: float) -> str:
    """A table in words.

    >>> import numpy as np
    >>> smile = np.array([0.0, 2.0, 4.5, 4.0])
    >>> tell(UnitTable("proxies", np.arange(4.0), {"AU12": smile, "AU25": np.zeros(4)}), 1.0)
    'At its peak, 2.0 s in, the face shows: lip corners pulled up (AU12, 4.5 of 5). Lip corners pulled up (AU12) grows.'
    """
    at = table.peak()
    strong = table.strongest(at, least)
    if not strong:
        return f"The face stays close to rest; no action unit reaches {least:g} of 5 at its peak."
    listed = ", ".join(f"{meaning(name)} ({name}, {value:.1f} of 5)" for name, value in strong)
    sentences = [f"At its peak, {table.times[at]:.1f} s in, the face shows: {listed}."]
    middle = len(table.times) // 2
    for name, _ in strong:
        values = table.values[name]
        if middle and len(values) - middle:
            change = float(values[middle:].mean() - values[:middle].mean())
            if abs(change) >= 1.0:
                sentences.append(f"{meaning(name).capitalize()} ({name}) {'grows' if change > 0 else 'fades'}.")
    if others := [n for n, v in table.values.items() if n not in dict(strong) and float(v.mean()) >= least]:
        sentences.append("For most of the utterance also: " + ", ".join(f"{meaning(n)} ({n})" for n in others) + ".")
    blinks = _blinks(table)
    return " ".join([*sentences, *([f"It blinks {blinks} times."] if blinks > 2 else [])])


def _blinks(table: UnitTable) -> int:
    closed = table.values.get("AU45")
    if closed is None:
        return 0
    shut = closed >= 3.0
    return int((shut[1:] & ~shut[:-1]).sum() + bool(shut[0]))
