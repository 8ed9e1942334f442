"""The numbers of a report that are not in metrics.json: baselines, label counts, calibration, what was missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merc.components import Prediction
from merc.components.reasons import count_reasons

BINS = 10


@dataclass(frozen=True)
class Baseline:
    """What always answering the most frequent label would reach on a split."""

    label: str
    accuracy: float
    weighted_f1: float
    macro_f1: float
    uar: float


def majority(per_class: Mapping[str, Mapping[str, Any]]) -> Baseline | None:
    """The baseline, from the supports of a split.

    >>> majority({"joy": {"support": 3}, "fear": {"support": 1}, "anger": {"support": 0}})
    Baseline(label='joy', accuracy=0.75, weighted_f1=0.6428571428571428, macro_f1=0.42857142857142855, uar=0.5)
    """
    supports = {label: int(numbers.get("support", 0)) for label, numbers in per_class.items()}
    total, present = sum(supports.values()), sum(count > 0 for count in supports.values())
    if not total:
        return None
    label = max(supports, key=lambda name: supports[name])
    share = supports[label] / total
    f1 = 2 * share / (1 + share)
    return Baseline(label, share, share * f1, f1 / present, 1 / present)


@dataclass(frozen=True)
class Bin:
    """Predictions whose highest probability lies between ``low`` and ``high``: how many, how sure, how often right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """How far the probability of the predicted label can be trusted.

    ``error`` is the expected calibration error: the mean distance between confidence and accuracy over ten equal
    bins, weighted by how many predictions each holds.
    """

    count: int
    confidence: float
    accuracy: float
    error: float
    bins: Sequence[Bin]


def calibration(predictions: Sequence[Prediction]) -> Calibration | None:
    """Over the predictions that have a truth, a label and probabilities; ``None`` when there are none.

    >>> sure = {"joy": 0.9, "anger": 0.1}
    >>> said = [Prediction(id=str(i), conversation="c", truth=t, label="joy", probabilities=sure)
    ...         for i, t in enumerate(["joy", "joy", "joy", "anger"])]
    >>> found = calibration(said)
    >>> found.accuracy, round(found.error, 6), [b.count for b in found.bins if b.count]
    (0.75, 0.15, [4])
    """
    pairs = [
        (min(1.0, max(0.0, float(p.probabilities[p.label]))), p.label == p.truth)
        for p in predictions
        if p.truth is not None and p.label is not None and p.probabilities and p.label in p.probabilities
    ]
    if not pairs:
        return None
    groups: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for sure, right in pairs:
        groups[min(BINS - 1, int(sure * BINS))].append((sure, right))
    bins = [
        Bin(
            i / BINS,
            (i + 1) / BINS,
            len(group),
            sum(sure for sure, _ in group) / max(1, len(group)),
            sum(right for _, right in group) / max(1, len(group)),
        )
        for i, group in enumerate(groups)
    ]
    total = len(pairs)
    return Calibration(
        total,
        sum(sure for sure, _ in pairs) / total,
        sum(right for _, right in pairs) / total,
        sum(b.count * abs(b.confidence - b.accuracy) for b in bins) / total,
        bins,
    )


@dataclass(frozen=True)
class MissingStream:
    """What one stream lacked: of how many, how many, and the reasons with their counts, most frequent first."""

    where: str
    stream: str
    total: int | None
    missing: int
    reasons: Sequence[tuple[str, int]]
    examples: Mapping[str, Sequence[str]]


def missing_in_predictions(
    split: str, predictions: Sequence[Prediction], streams: Sequence[str]
) -> list[MissingStream]:
    """What the model did not see of a split's utterances, by stream; streams of which nothing was missing as well."""
    named = list(dict.fromkeys([*streams, *(stream for p in predictions for stream in p.missing)]))
    return [
        _stream(
            split, stream, len(predictions), [(p.id, p.missing[stream]) for p in predictions if stream in p.missing]
        )
        for stream in named
    ]


def missing_in_log(log: Sequence[Mapping[str, Any]]) -> list[MissingStream]:
    """What could not be encoded, from the log's ``encode`` records, and what annotators gave no cue for, from its
    ``annotate`` records. A record that was repeated as it was (a resumed
    run) counts once."""
    rows: list[MissingStream] = []
    seen: list[Mapping[str, Any]] = []
    for record in log:
        facts = {key: record.get(key) for key in ("stream", "encoded", "missing", "split")}
        if record.get("event") not in ("encode", "annotate") or facts in seen:
            continue
        seen.append(facts)
        pairs = [(str(m.get("utterance")), str(m.get("reason"))) for m in record.get("missing") or ()]
        encoded = record.get("encoded")
        total = encoded + len(pairs) if isinstance(encoded, int) else None
        rows.append(_stream(str(record.get("split") or "corpus"), str(record.get("stream")), total, pairs))
    return rows


def _stream(where: str, stream: str, total: int | None, pairs: Sequence[tuple[str, str]]) -> MissingStream:
    counts = count_reasons(pairs)
    examples = {one.text: one.names for one in counts}
    return MissingStream(where, stream, total, len(pairs), [(one.text, len(one.names)) for one in counts], examples)
