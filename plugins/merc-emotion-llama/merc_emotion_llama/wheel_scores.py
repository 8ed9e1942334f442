"""Scores of MER-UniBench on emotion wheels: hit rate with its precision, and F over open vocabularies."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from merc import MercError, first_names
from merc_emotion_llama.wheels import WHEELS, Wheels, plain

_SHOWN = 50


@dataclass(frozen=True)
class HitRate:
    """``by_wheel`` has hit rate, hit precision and counted samples; ``samples`` are those that some wheel counts,
    ``excluded`` those whose truth maps to nothing. What no sample was counted for is ``None``."""

    hit_rate: float | None
    hit_precision: float | None
    samples: int
    excluded: int
    labels_per_sample: float | None
    by_wheel: tuple[tuple[float | None, float | None, int], ...]


@dataclass(frozen=True)
class WheelF:
    """``f`` counts an F of 0/0 as 0; ``f_or_nan`` is NaN as soon as one wheel's is, as published code computes it.
    ``by_wheel`` has F, precision, recall and counted samples."""

    f: float | None
    f_or_nan: float
    precision: float | None
    recall: float | None
    samples: int
    excluded: int
    labels_per_sample: float | None
    by_wheel: tuple[tuple[float | None, float | None, float | None, int], ...]


def hit_rate(truths: Mapping[str, str], answers: Mapping[str, Collection[str]], wheels: Wheels) -> HitRate:
    """Hit rate of MER-UniBench (AffectGPT, section 4) for sets with one true label a sample.

    On each wheel, truth and answer are mapped to level-1 clusters, what the wheel does not know is left out, and
    samples whose truth maps to nothing are not counted. The hit rate is the share of samples whose true cluster is
    among those of the answer; the hit precision is the mean of |answer ∩ truth| / |answer ∩ candidates|, 0 where
    that is empty, candidates being the clusters of every truth of the set. Both are means over the wheels.

    Raises MercError that lists the ids of samples without an answer, and of answers without a sample.
    """
    check_ids(truths, answers)
    pairs = [([truth], list(answers[name])) for name, truth in truths.items()]
    every = list(truths.values())
    rows: list[tuple[float | None, float | None, int]] = []
    for wheel in range(len(WHEELS)):
        candidates = wheels.map(every, wheel)
        hits: list[float] = []
        precisions: list[float] = []
        for true, predicted in _mapped(pairs, wheels, wheel):
            hit = len(true & predicted)
            hits.append(hit)
            precisions.append(hit / len(predicted & candidates) if predicted & candidates else 0.0)
        rows.append((_mean(hits), _mean(precisions), len(hits)))
    counted, labels = _counted(pairs, wheels)
    rate, precision = _mean([row[0] for row in rows]), _mean([row[1] for row in rows])
    return HitRate(rate, precision, counted, len(pairs) - counted, labels, tuple(rows))


def wheel_f(truths: Mapping[str, Collection[str]], answers: Mapping[str, Collection[str]], wheels: Wheels) -> WheelF:
    """F over open vocabularies of MER-UniBench (OV-MERD+), truths and answers being sets of labels.

    On each wheel, sets are mapped as for the hit rate. A sample's precision is |answer ∩ truth| / |answer| (0 for an
    answer without a known label), its recall |answer ∩ truth| / |truth|; F is the harmonic mean of the *means* of
    both over the samples, and F, precision and recall are means over the wheels.

    Raises MercError as ``hit_rate`` does.
    """
    check_ids(truths, answers)
    pairs = [(list(truth), list(answers[name])) for name, truth in truths.items()]
    rows: list[tuple[float | None, float | None, float | None, int]] = []
    undefined = False
    for wheel in range(len(WHEELS)):
        mapped = _mapped(pairs, wheels, wheel)
        precision = _mean([len(true & predicted) / len(predicted) if predicted else 0.0 for true, predicted in mapped])
        recall = _mean([len(true & predicted) / len(true) for true, predicted in mapped])
        f = None
        if precision is not None and recall is not None:
            undefined = undefined or precision + recall == 0
            f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        rows.append((f, precision, recall, len(mapped)))
    counted, labels = _counted(pairs, wheels)
    f, precision, recall = (_mean([row[i] for row in rows]) for i in range(3))  # type: ignore[misc]
    raw = math.nan if undefined or any(row[0] is None for row in rows) else f
    return WheelF(
        f, math.nan if raw is None else raw, precision, recall, counted, len(pairs) - counted, labels, tuple(rows)
    )


def check_ids(truths: Collection[str], answers: Collection[str]) -> None:
    """Raise MercError that lists the samples without an answer, and the answers without a sample."""
    faults = []
    for these, those, what in (
        (truths, answers, "have no prediction"),
        (answers, truths, "were predicted but are unknown"),
    ):
        lacking = [name for name in these if name not in those]
        if lacking:
            faults.append(f"{len(lacking)} of {len(these)} samples {what}: {first_names(lacking, _SHOWN)}")
    if faults:
        raise MercError("; ".join(faults))


def _mapped(
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]], wheels: Wheels, wheel: int
) -> list[tuple[frozenset[str], frozenset[str]]]:
    both = [(wheels.map(true, wheel), wheels.map(predicted, wheel)) for true, predicted in pairs]
    return [(true, predicted) for true, predicted in both if true]


def _counted(pairs: Sequence[tuple[Sequence[str], Sequence[str]]], wheels: Wheels) -> tuple[int, float | None]:
    """How many samples some wheel counts, and the mean number of labels in their answers, unknown ones included."""
    sizes = [len({plain(one) for one in predicted}) for true, predicted in pairs if any(map(wheels.knows, true))]
    return len(sizes), _mean(sizes)


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean of what is there; fsum within makes it the same in any order."""
    there = [value for value in values if value is not None]
    return fmean(there) if there else None
