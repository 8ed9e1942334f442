"""The numbers of an evaluation with worse media and words, a row for each corruption and severity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.evaluation.metrics import compute_metrics
from merc.evaluation.svg import Chart, Series, chart

if TYPE_CHECKING:
    from merc.recipe import ComponentRef

FOLDER = "corrupt"
"""The folder of a run, or of an evaluation, in which the predictions of each row are kept."""
ROWS = "corrupt"
"""Where the rows stand in the numbers of a split."""

_FIRST = ("weighted_f1", "accuracy", "macro_f1", "uar")
_APART = ("per_class", "confusion", ROWS)


@dataclass(frozen=True, kw_only=True)
class CorruptedRun:
    """The predictions of one row. ``of`` says what it is of (``corruption``, ``severity``, ``unit``, ``streams``), and
    ``splits``, by split, how many ``utterances`` it has, how many it ``touched``, and how many have no features of each
    stream (``missing``)."""

    predictions: Sequence[Prediction]
    of: Mapping[str, Any]
    splits: Mapping[str, Mapping[str, Any]]


def with_corruptions(
    metrics: dict[str, dict[str, Any]],
    runs: Sequence[CorruptedRun],
    labels: LabelSpace,
    parts: Mapping[str, ComponentRef],
) -> dict[str, dict[str, Any]]:
    """The numbers by split with ``corrupt`` beside them, where there are rows: each has what it is of, ``numbers`` (by
    name, those of other metrics as ``name.number``) and ``drop``, by how much each is below the clean one."""
    if not runs:
        return metrics
    rows: dict[str, list[dict[str, Any]]] = {split: [] for split in metrics}
    for run in runs:
        for split, block in compute_metrics(run.predictions, labels, parts).items():
            numbers, clean = dict(_flat(block)), dict(_flat(metrics[split]))
            drop = {name: clean[name] - value for name, value in numbers.items() if name in clean}
            rows[split].append({**run.of, **run.splits[split], "numbers": numbers, "drop": drop})
    return {split: {**numbers, ROWS: rows[split]} for split, numbers in metrics.items()}


def headlines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The numbers of a table of rows: those of the classification, else the first that there are."""
    names = list(dict.fromkeys(name for row in rows for name in row["numbers"] if name != "unparsed_rate"))
    return [name for name in _FIRST if name in names] or names[:4]


def charts(rows: Sequence[Mapping[str, Any]], clean: Mapping[str, Any]) -> list[Chart]:
    """A chart for each corruption of several severities: its numbers over the severity, and the clean ones."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["corruption"], row["unit"], *row["streams"]), []).append(row)
    names, drawn = headlines(rows), []
    for (corruption, unit, *streams), own in groups.items():
        severities = [row["severity"] for row in own]
        if len(own) < 2:
            continue
        ends = min(severities), max(severities)
        known = dict(_flat(clean))
        lines = [
            Series(f"{_words(name)}, clean", [(end, known[name]) for end in ends], faint=True)
            for name in names[:1]
            if name in known
        ]
        lines += [
            Series(
                _words(name),
                sorted((row["severity"], row["numbers"][name]) for row in own if name in row["numbers"]),
                dots=True,
            )
            for name in names
        ]
        title = f"{corruption} ({', '.join(streams)})" if streams else corruption
        drawn.append(chart(title, [line for line in lines if line.points], across=f"severity, {unit}"))
    return drawn


def severity_of(row: Mapping[str, Any]) -> str:
    """A row's severity with its unit.

    >>> severity_of({"severity": 10.0, "unit": "dB"})
    '10 dB'
    """
    return f"{row['severity']:g} {row['unit']}".strip()


def touched_of(row: Mapping[str, Any]) -> str:
    """How many utterances a row touched, and how many have no features of a stream then.

    >>> touched_of({"touched": 3, "utterances": 10, "missing": {"face": 1}})
    '3 of 10, 1 without face'
    """
    lacking = "".join(f", {count} without {stream}" for stream, count in row["missing"].items())
    return f"{row['touched']} of {row['utterances']}{lacking}"


def _words(name: str) -> str:
    return name.replace("_", " ").replace("f1", "F1").replace("uar", "UAR")


def _flat(block: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in block.items():
        if isinstance(value, float):
            yield f"{prefix}{name}", value
        elif isinstance(value, Mapping) and name not in _APART:
            yield from _flat(value, f"{prefix}{name}.")
