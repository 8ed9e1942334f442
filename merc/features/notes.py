"""Sentences about what was encoded with less than was asked for."""

from __future__ import annotations

from collections.abc import Mapping

from merc.errors import first_names
from merc.features.plan import FeaturePlan, NamedEncoder


def notes_of(streams: Mapping[str, NamedEncoder], plan: FeaturePlan) -> list[str]:
    """What is to be said of a pass: damaged files, clips that are too short, and remarks on single clips."""
    notes = []
    if plan.damaged:
        files, were = _count(len(plan.damaged), "feature file was", "feature files were")
        notes.append(f"{files} {were} damaged and encoded again: {first_names(plan.damaged)}")
    for name, stream in streams.items():
        short: list[str] = []
        remarks: dict[str, list[str]] = {}
        total = sum(where == name for where, _ in plan.places)
        for (where, utterance), keys in plan.places.items():
            entry = plan.entries.get(str(keys[0])) if where == name else None
            if entry is None:
                continue
            if stream.least is not None and entry.frames is not None and entry.frames < stream.least:
                short.append(f"{utterance} ({entry.frames})")
            for remark in entry.remarks:
                remarks.setdefault(remark, []).append(utterance)
        if short and stream.least is not None:
            clips, have = _count(total, "clip has", "clips have")
            frames = "frame" if stream.least == 1 else "frames"
            notes.append(
                f"{name}: {len(short)} of {clips} {have} fewer than {stream.least} {frames}: {first_names(short)}"
            )
        for remark, utterances in sorted(remarks.items()):
            notes.append(
                f"{name}: {len(utterances)} of {_count(total, 'clip is', 'clips are')[0]}: {remark} "
                f"({first_names(utterances)})"
            )
    return notes


def _count(number: int, one: str, many: str) -> tuple[str, str]:
    noun, verb = (one if number == 1 else many).rsplit(" ", 1)
    return f"{number} {noun}", verb
