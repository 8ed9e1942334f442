"""Annotators ``face-measures`` and ``calibrated-units``: action units of a face compared with its speaker's at rest, as
all clips of a corpus together tell it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from merc import Annotation, Annotator, Observation
from merc_annotation.action_units import ActionUnits
from merc_annotation.face_units import UNITS, Values, compared_with, rests
from merc_annotation.unit_table import UnitTable

if TYPE_CHECKING:
    from merc import AnnotateFunction

SOURCE = "measures of a mesh"


@dataclass(frozen=True, kw_only=True)
class FaceMeasures(ActionUnits):
    """Writes ``face_measures``: for each frame the distances in the face that action units change, in widths of the
    face, as JSON. ``calibrated-units`` makes intensities of them."""

    def fields(self) -> tuple[str, ...]:
        """``face_measures``."""
        return ("face_measures",)

    def text(self, times: Values, by_frame: dict[str, Values]) -> str:
        """The cue: the times ``[frames]`` and each measure then ``[frames]``."""
        return UnitTable(SOURCE, times, by_frame).text(decimals=4)


@dataclass(frozen=True, kw_only=True)
class CalibratedUnits(Annotator):
    """Writes ``action_units``: for each frame the intensities, from 0 to 5, of action units of FACS, as JSON, from
    ``face_measures``. They are proxies, as those of ``action-units``, but each face is compared with its speaker's at
    rest: the median over the speaker's clips in the corpus, drawn towards that of all speakers where there are few.
    Where the clips come from one short recording, or every speaker shows one thing alone, ``action-units`` is the one
    to take."""

    least: int = 8
    """From how many clips on a rest is made of them; fewer are no answer, and say so."""

    across: bool = False
    """Whether a speaker's name means the same person in every conversation, as in a series; else it means somebody in
    its own conversation alone."""

    needs_all = True

    def __post_init__(self) -> None:
        if self.least < 2:
            raise ValueError(f"least counts clips from 2, not {self.least}")

    def fields(self) -> tuple[str, ...]:
        """``action_units``."""
        return ("action_units",)

    def reads(self) -> tuple[str, ...]:
        """``face_measures``."""
        return ("face_measures",)

    def load(self, device: str) -> AnnotateFunction:
        """Nothing is loaded."""

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            tables: dict[str, tuple[str | None, UnitTable]] = {}
            for one in observations:
                table = _measures(one)
                if isinstance(table, UnitTable):
                    tables[one.query.target.id] = (self._speaker(one), table)
                else:
                    yield one.query.target.id, Annotation(reason=table)
            clips: dict[str | None, list[dict[str, float]]] = defaultdict(list)
            for speaker, table in tables.values():
                clips[speaker].append({name: float(np.median(values)) for name, values in table.values.items()})
            known = rests(dict(sorted(clips.items(), key=lambda pair: str(pair[0]))))
            for name, (speaker, table) in tables.items():
                yield name, self._calibrated(table, known[speaker], len(tables))

        return annotate

    def _speaker(self, one: Observation) -> str | None:
        target, talk = one.query.target, one.query.conversation
        if target.speaker is None:
            return None
        return json.dumps([None if self.across else talk.id, target.speaker])

    def _calibrated(self, table: UnitTable, rest: dict[str, float], count: int) -> Annotation:
        if count < self.least:
            return Annotation(
                reason=f"a face at rest is made of at least {self.least} clips ('least'); there are {count}"
            )
        made = UnitTable("proxies from a mesh, by speaker", table.times, compared_with(rest, table.values))
        return Annotation(cues={"action_units": made.text()})


def _measures(one: Observation) -> UnitTable | str:
    text = one.query.target.cues.get("face_measures")
    if text is None:
        return f"there are no measures of a face: {one.lacking.get('face_measures', 'nobody measured them')}"
    try:
        table = UnitTable.read(text)
    except ValueError as error:
        return f"the cue face_measures cannot be read: {error}"
    lacking = [name for name in UNITS if name not in table.values]
    return f"the cue face_measures lacks {', '.join(lacking)}" if lacking else table
