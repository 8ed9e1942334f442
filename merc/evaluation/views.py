"""What the templates of the report show, worked out so that they only have to lay it out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.evaluation.corruption import ROWS, charts, headlines, severity_of, touched_of
from merc.evaluation.label_history import shown_beside
from merc.evaluation.metrics import UNSPLIT, split_order
from merc.evaluation.run_files import RunFiles
from merc.evaluation.summary import (
    Baseline,
    Calibration,
    MissingStream,
    calibration,
    majority,
    missing_in_log,
    missing_in_predictions,
)
from merc.evaluation.svg import Chart, Series, chart
from merc.recipe.metric_names import OWN_NUMBERS


@dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix: how many, and which share of the row."""

    count: int
    share: float
    predicted: str | None


@dataclass(frozen=True)
class Row:
    """A row of the confusion matrix: the true label, its support, and a cell a predicted label (the last: unparsed)."""

    label: str
    support: int
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Count:
    """How often a label is true and how often it was predicted."""

    label: str | None
    true: int
    predicted: int


@dataclass(frozen=True)
class Classified:
    """The numbers of a metric that classifies other utterances than all, which ``of`` names; ``n`` may be 0."""

    name: str
    of: str
    numbers: Mapping[str, Any]
    baseline: Baseline | None


@dataclass(frozen=True, kw_only=True)
class Corrupted:
    """The numbers with worse media and words: the names of those in the table, its rows, and their charts."""

    names: Sequence[str]
    rows: Sequence[CorruptedRow]
    charts: Sequence[Chart]


@dataclass(frozen=True, kw_only=True)
class CorruptedRow:
    """A corruption at one severity: in words, and its numbers with their drops, in the order of the names."""

    corruption: str
    severity: str
    streams: str
    touched: str
    cells: Sequence[tuple[float | None, float | None]]


@dataclass(frozen=True, kw_only=True)
class SplitView:
    """Everything about one split."""

    name: str
    numbers: Mapping[str, Any]
    predictions: Sequence[Prediction]
    utterances: int
    conversations: int
    classified: bool
    per_class: Mapping[str, Mapping[str, Any]]
    confusion: Sequence[Row]
    counts: Sequence[Count]
    most: int
    baseline: Baseline | None
    calibration: Calibration | None
    reliability: Chart | None
    also: Sequence[Classified]
    others: Mapping[str, str]
    left_out: Sequence[str]
    corrupted: Corrupted | None
    shown_beside: tuple[tuple[str, str], ...]
    """Whose labels of earlier utterances the model was shown, and what that means."""


def split_views(files: RunFiles) -> list[SplitView]:
    """The splits of a run, test first, then dev, then the others."""
    return sorted(
        (_view(name, numbers, files.predictions) for name, numbers in files.metrics.items()),
        key=lambda view: split_order(view.name),
    )


def missing_rows(files: RunFiles, views: Sequence[SplitView]) -> list[MissingStream]:
    """What was missing: in the corpus as it was encoded, then of the utterances of each split that was predicted.

    A stream that was encoded has a row for every split, of which nothing was missing as well."""
    rows = missing_in_log(files.log)
    encoded = list(dict.fromkeys(row.stream for row in rows))
    for name in [view.name for view in views] or dict.fromkeys(p.split or UNSPLIT for p in files.predictions):
        mine = [p for p in files.predictions if (p.split or UNSPLIT) == name]
        rows += missing_in_predictions(name, mine, encoded if mine else [])
    return rows


def label_space(labels: LabelSpace, occurring: Sequence[str]) -> LabelSpace:
    """The labels given, and after them any other that the run's files name, so that nothing is left out."""
    return LabelSpace((*labels.labels, *(label for label in occurring if label not in labels.labels)))


def _view(name: str, numbers: Mapping[str, Any], predictions: Sequence[Prediction]) -> SplitView:
    mine = [p for p in predictions if (p.split or UNSPLIT) == name]
    confusion = numbers.get("confusion") or {}
    per_class = numbers.get("per_class") or {}
    labels = confusion.get("labels") or []
    rows = [
        _row(labels, i, [*counts, unparsed])
        for i, (counts, unparsed) in enumerate(
            zip(confusion.get("matrix") or [], confusion.get("unparsed") or [], strict=True)
        )
    ]
    counts = [Count(row.label, row.support, sum(r.cells[i].count for r in rows)) for i, row in enumerate(rows)]
    unparsed = sum(row.cells[-1].count for row in rows)
    if unparsed:
        counts.append(Count(None, 0, unparsed))
    trust = calibration(mine)
    averaged = numbers.get("averaged_over") or list(per_class)
    also = [Classified(k, str(v["of"]), v, majority(v.get("per_class") or {})) for k, v in numbers.items() if _of(v)]
    own = (*OWN_NUMBERS, *(one.name for one in also), *(name for name, value in numbers.items() if _of_heads(value)))
    return SplitView(
        name=name,
        also=also,
        numbers=numbers,
        predictions=mine,
        utterances=len(mine),
        conversations=len({p.conversation for p in mine}),
        classified="accuracy" in numbers,
        per_class=per_class,
        confusion=rows,
        counts=counts,
        most=max((max(c.true, c.predicted) for c in counts), default=0),
        baseline=majority(per_class),
        calibration=trust,
        reliability=_reliability(trust) if trust else None,
        others={k: _plain(v) for k, v in numbers.items() if k not in own},
        corrupted=_corrupted(numbers),
        left_out=[label for label in per_class if label not in averaged],
        shown_beside=shown_beside(numbers.get("label_history"), numbers.get("following") or 0),
    )


def _corrupted(numbers: Mapping[str, Any]) -> Corrupted | None:
    rows = numbers.get(ROWS)
    if not rows:
        return None
    names = headlines(rows)
    table = [
        CorruptedRow(
            corruption=row["corruption"], severity=severity_of(row), streams=", ".join(row["streams"]),
            touched=touched_of(row), cells=[(row["numbers"].get(name), row["drop"].get(name)) for name in names],
        )
        for row in rows
    ]  # fmt: skip
    return Corrupted(names=names, rows=table, charts=charts(rows, numbers))


def _of(value: Any) -> bool:
    """Whether a metric's value are numbers of a classification that says what of."""
    has_total = isinstance(value, Mapping) and isinstance(value.get("of"), str)
    return has_total and ("accuracy" in value or value.get("n") == 0)


def _of_heads(value: Any) -> bool:
    """Whether a metric's value are numbers of what heads gave, which have a section of their own."""
    return isinstance(value, Mapping) and (
        {"ccc", "outputs"} <= set(value) or {"hamming_loss", "per_label"} <= set(value)
    )


def _row(labels: Sequence[str], i: int, counts: Sequence[int]) -> Row:
    total = sum(counts)
    names = [*labels, None]
    cells = [Cell(c, c / total if total else 0.0, n) for c, n in zip(counts, names, strict=True)]
    return Row(labels[i], total, cells)


def _reliability(trust: Calibration) -> Chart:
    points = [(b.confidence, b.accuracy) for b in trust.bins if b.count]
    even = Series("as sure as right", [(0.0, 0.0), (1.0, 1.0)], faint=True)
    lines = [even, Series("accuracy", points, dots=True)]
    return chart("Accuracy", lines, across="probability of the predicted label", x_span=(0, 1), y_span=(0, 1))


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False, indent=1)
