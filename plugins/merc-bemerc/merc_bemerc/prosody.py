"""Annotator ``prosody``: how something was said, as words, relative to how the speaker usually says things."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from merc import Annotation, Annotator, Missing, Observation, Query, Waveform
from merc_bemerc.levels import MEASURES, Levels, Measured, describe
from merc_bemerc.speakers import UNNAMED, is_unnamed
from merc_bemerc.table import read_table

if TYPE_CHECKING:
    from merc import AnnotateFunction

_COLUMNS = {
    "loudness": "avg_intensity",
    "loudness_variation": "intensity_variation",
    "pitch": "avg_pitch",
    "pitch_variation": "pitch_std",
    "rate": "articulation_rate",
}


@dataclass(frozen=True, kw_only=True)
class Prosody(Annotator):
    """Speech described in words, as in SpeechCueLLM (Wu et al., 2024): the levels of loudness, pitch and rate, and of
    their variation, each relative to the speaker. A speaker's name means one person throughout the corpus.

    Values come from the sound (openSMILE's eGeMAPSv02), or from a table, in which a row belongs to the utterance whose
    id is the row's name, with or without the split and ``_`` before it.

    A speaker who says too little is compared with all speakers, and the cue says so; so is one who is nobody in
    particular ("All", "Man", "The Waiter"), since such a name may mean another person each time. The values and what
    they were compared with are kept with the cue, as JSON.
    """

    table: Path | dict[str, Path] | None = None
    """A CSV file of measured values, or a mapping from split to file; null measures the sound."""
    key: str = "filename"
    """The column of the table that holds the rows' names, which may be those of files."""
    columns: dict[str, str] = field(default_factory=lambda: dict(_COLUMNS))
    """Which column of the table holds which of loudness, loudness_variation, pitch, pitch_variation, rate and
    rate_variation."""
    quantiles: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
    """The edges between levels, as quantiles of a speaker's own values: two make low, medium and high, four make very
    low to very high."""
    least: int = 10
    """A speaker of whom fewer utterances have a value is compared with all speakers."""
    reference: Literal["all", "train"] = "all"
    """Whose utterances the quantiles are of: ``all`` that are annotated together, or those of the ``train`` split."""
    unnamed: tuple[str, ...] = UNNAMED
    """The last words of names that are nobody in particular; an empty list where every name counts."""

    needs_all = True

    def __post_init__(self) -> None:
        if len(self.quantiles) not in (2, 4):
            raise ValueError(f"quantiles are two or four, for three or five levels; these are {len(self.quantiles)}")
        if list(self.quantiles) != sorted(set(self.quantiles)) or not all(0 < one < 1 for one in self.quantiles):
            raise ValueError(f"quantiles rise between 0 and 1, as in [0.33, 0.67]; they are {list(self.quantiles)}")
        if self.least < 2:
            raise ValueError(f"least is how many utterances levels are made of, from 2; it is {self.least}")
        unknown = [name for name in self.columns if name not in MEASURES]
        if unknown:
            raise ValueError(f"columns has {unknown[0]!r}; it may have {', '.join(MEASURES)}")
        if not self.columns:
            raise ValueError("columns is empty; name the columns of the table, as in {loudness: avg_intensity}")
        if isinstance(self.table, dict):
            wrong = [split for split in self.table if split not in ("train", "dev", "test")]
            if wrong:
                raise ValueError(f"table has {wrong[0]!r}; its keys are splits: train, dev, test")

    def fields(self) -> tuple[str, ...]:
        """``prosody``."""
        return ("prosody",)

    def audio(self) -> Waveform | None:
        """The sound at 16 kHz, at least 0.3 s of it; none where there is a table."""
        return Waveform(min_seconds=0.3) if self.table is None else None

    def identity(self) -> Mapping[str, Any]:
        """Its parameters but the table's place: ``context`` gives what stands in it."""
        aside = {"table"} if self.table is not None else {"columns", "key", "table"}
        return {**{k: v for k, v in super().identity().items() if k not in aside}, "from": self._source()}

    def context(self, query: Query) -> Any:
        """What the table says of the target, and whether the target is one that others are compared with."""
        row = None if self.table is None else self._row(query)
        measured = row.reason if isinstance(row, Missing) else row
        return [measured, self._counts(query)]

    def load(self, device: str) -> AnnotateFunction:
        """Get openSMILE ready, or read the tables. Raises MercError for a table that cannot be read."""
        if self.table is None:
            from merc_bemerc.voice import measurer

            measure = measurer()

        def measured(one: Observation) -> Measured | Missing:
            if self.table is not None:
                return self._row(one.query)
            return one.audio if isinstance(one.audio, Missing) else measure(one.audio)

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            taken: list[tuple[str, str | None, Measured]] = []
            values: dict[str | None, list[Measured]] = defaultdict(list)
            everybody: list[Measured] = []
            for one in observations:
                target = one.query.target
                row = measured(one)
                if isinstance(row, Missing):
                    yield target.id, Annotation(reason=row.reason)
                    continue
                who = target.speaker
                if who is not None and self.unnamed and is_unnamed(who, self.unnamed):
                    who = None
                taken.append((target.id, who, row))
                if self._counts(one.query):
                    everybody.append(row)
                    if who is not None:
                        values[who].append(row)
            common = Levels.of(everybody, self.quantiles, self.least)
            own = {who: Levels.of(of_speaker, self.quantiles, self.least) for who, of_speaker in values.items()}
            for name, who, row in taken:
                yield name, self._describe(row, who, own.get(who, Levels({})), common, len(everybody))

        return annotate

    def _describe(self, measured: Measured, who: str | None, own: Levels, common: Levels, count: int) -> Annotation:
        # all by one measure: half of a sentence relative to the speaker would mean two things at once
        levels, against = (own, who) if own.edges.keys() >= measured.keys() else (common, None)
        known = {name: level for name in measured if (level := levels.level(name, measured[name])) is not None}
        if not known.keys() & {"loudness", "pitch", "rate"}:
            return Annotation(
                reason=f"levels need at least {self.least} utterances to compare with ('least'); there are {count}"
            )
        unpitched = "pitch" not in measured and (self.table is None or "pitch" in self.columns)
        text = describe(known, len(self.quantiles) + 1, unpitched)
        values = {measure: round(value, 4) for measure, value in measured.items()}
        raw = json.dumps({"values": values, "compared with": against or "all speakers"})
        return Annotation(cues={"prosody": text if against else f"{text} (compared with all speakers)"}, raw=(raw,))

    def _counts(self, query: Query) -> bool:
        return self.reference == "all" or query.conversation.split == "train"

    def _source(self) -> str:
        return "sound" if self.table is None else "table"

    def _row(self, query: Query) -> Measured | Missing:
        split = query.conversation.split
        path = self.table.get(split or "") if isinstance(self.table, dict) else self.table
        if path is None:
            return Missing(f"there is no table for the split {split!r}")
        rows = read_table(Path(path).expanduser(), self.key, self.columns)
        name = query.target.id
        row = rows.get(name, rows.get(name.removeprefix(f"{split}_")))
        if row is None:
            return Missing(f"the table {Path(path).name} has no row {name!r}")
        return row or Missing(f"the table {Path(path).name} has no value for {name!r}")
