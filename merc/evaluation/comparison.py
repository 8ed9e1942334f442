"""Runs beside each other: their numbers, over seeds where there are several, and whether they differ."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.evaluation.classification import classification
from merc.evaluation.folds import FILE, read_folds
from merc.evaluation.label_history import history_sources, shown_beside
from merc.evaluation.measures import FEWER_DRAWS, TITLES, Measure, find_measure
from merc.evaluation.predictions import read_predictions
from merc.evaluation.significance import (
    RESAMPLES,
    Difference,
    bootstrap,
    mcnemar,
    mean_and_deviation,
    paired_t,
)
from merc.files import check_name

_SEED = re.compile(r"seed-(\d+)")

Key = tuple[str, str]
Answered = Mapping[Key, Prediction]


@dataclass(frozen=True)
class Entry:
    """A line of the table: a run, or the runs of one recipe with several seeds (by seed).

    Where a model was shown labels of earlier utterances, its name says whose.
    """

    name: str
    folder: Path
    runs: Mapping[int, Answered]
    numbers: Mapping[str, Sequence[float]]
    f1: Mapping[str, Sequence[float]]

    def mean(self, column: str) -> tuple[float, float | None]:
        """The mean of a number over the runs, and its standard deviation where there are several."""
        return mean_and_deviation(self.numbers[column])


@dataclass(frozen=True)
class Verdict:
    """How an entry differs from the first one in a number. ``test`` names the test that fits, with its p-value ``p``;
    ``why`` says in its place why there is none."""

    measure: Measure
    difference: Difference
    test: str
    p: float | None
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """Entries, the verdicts on each but the first (one for each number that was asked for), and sentences about what
    was left out. ``n`` are the labelled utterances, ``counts`` those that each number is of."""

    split: str
    n: int
    labels: tuple[str, ...]
    entries: Sequence[Entry]
    measures: Sequence[Measure]
    counts: Sequence[int]
    verdicts: Sequence[Verdict]
    notes: Sequence[str]

    def best(self, column: str) -> float | None:
        """The best mean of a column; None where it is not known whether higher is better."""
        better = next((m.better for m in self.measures if m.name == column), -1 if column == "unparsed_rate" else 1)
        means = [entry.mean(column)[0] for entry in self.entries]
        return None if not better else max(means) if better > 0 else min(means)


def compare_runs(folders: Sequence[Path], split: str, names: Sequence[str] = ("weighted_f1",)) -> Comparison:
    """Read run directories, each a run or the seeds of one (``merc run --seeds``), and hold them against the first in
    the numbers called ``names``.

    Raises MercError for fewer than two, a run without predictions of the split, runs that were evaluated on different
    utterances or against different truths, saying how many differ, and a number that the runs do not have.
    """
    if len(folders) < 2:
        raise MercError("merc compare wants two run directories or more: merc compare RUN_A RUN_B")
    notes: list[str] = []
    every_run = [_read(folder, split, notes) for folder in folders]
    first_folder, first = next(iter(every_run[0].values()))
    for runs in every_run:
        for folder, answered in runs.values():
            _check_same(first_folder, first, folder, answered, split)
    measures = [find_measure(name, [folder for runs in every_run for folder, _ in runs.values()]) for name in names]
    keys = [key for key, p in first.items() if p.truth is not None]
    if not keys and any(measure.of_labels for measure in measures):
        raise MercError(f"{folders[0]}: no utterance of the {split} split has a truth, so there is nothing to compare")
    counted = {m.name: _keys_of(m, first_folder, first, split) for m in measures}
    for measure in measures:
        for runs in every_run:
            for folder, answered in runs.values():
                _check_truths(measure, first_folder, first, folder, answered, counted[measure.name])
    # Numbers do not depend on labels that are never true, so one space for all runs keeps each run's own numbers.
    everything = [p for runs in every_run for _, answered in runs.values() for p in answered.values()]
    labels = tuple(sorted({label for p in everything for label in (p.truth, p.label) if label is not None}))
    histories = [history_sources(p for _, answered in runs.values() for p in answered.values()) for runs in every_run]
    ahead = [max(p.following for _, answered in runs.values() for p in answered.values()) for runs in every_run]
    beside = [shown_beside(history, following) for history, following in zip(histories, ahead, strict=True)]
    titles = [
        f"{name} ({', '.join(words for words, _ in its)})" if its else name
        for name, its in zip(_names(folders), beside, strict=True)
    ]
    notes += [
        f"{words[0].upper()}{words[1:]}. {why}" for words, why in dict.fromkeys(one for its in beside for one in its)
    ]
    entries = [
        _entry(name, folder, runs, keys, LabelSpace(labels), [(m, counted[m.name]) for m in measures], split)
        for name, folder, runs in zip(titles, folders, every_run, strict=True)
    ]
    verdicts = [_verdict(entries[0], e, m, counted[m.name], LabelSpace(labels)) for e in entries[1:] for m in measures]
    counts = [len(counted[m.name]) for m in measures]
    return Comparison(split, len(keys), labels, entries, measures, counts, verdicts, notes)


def _keys_of(measure: Measure, run: Path, answered: Answered, split: str) -> list[Key]:
    """The utterances that a number is of. Raises MercError where there are none."""
    keys = [key for key, p in answered.items() if measure.counts(p)]
    if keys:
        return keys
    lacking = [n for n in measure.component.truths() if all(p.true(n) is None for p in answered.values())]
    what = f"{', '.join(map(repr, lacking))} of any utterance" if lacking else "any utterance that it is of"
    raise MercError(
        f"{measure.name}: the predictions of {run} do not have {what} of the {split} split; evaluate the runs again "
        f"with this metric: merc evaluate RUN 'evaluate.metrics=[classification, {measure.metric}]'"
    )


def _check_truths(measure: Measure, a: Path, first: Answered, b: Path, second: Answered, keys: Sequence[Key]) -> None:
    """Raise MercError where two runs were not measured against the same truths, of the same utterances."""
    names = [name for name in measure.component.truths() if name != "label"]
    differ = [key for key in keys if any(first[key].true(name) != second[key].true(name) for name in names)]
    differ += [key for key, p in second.items() if measure.counts(p) != measure.counts(first[key])]
    if differ:
        raise MercError(
            f"{measure.name}: {a} and {b} have different truths ({', '.join(names)}) for {len(set(differ)):,} of "
            f"{len(first):,} utterances, so their numbers do not compare (for example {differ[0][1]} of "
            f"{differ[0][0]}); evaluate both in the same way"
        )


def _read(folder: Path, split: str, notes: list[str]) -> dict[int, tuple[Path, Answered]]:
    """The runs of a folder by seed; a single run counts as seed 0."""
    check_name(folder)
    if not folder.is_dir():
        raise MercError(f"{folder} is no folder; the directory of a run was expected")
    seeds = {int(m[1]): path for path in folder.iterdir() if path.is_dir() and (m := _SEED.fullmatch(path.name))}
    if not seeds:
        if (folder / FILE).is_file():
            notes.append(_of_folds(folder, split))
        elif any(folder.glob("fold-*")):
            raise MercError(f"{folder}: its folds are not all finished; merc run RECIPE --folds goes on with them")
        return {0: (folder, _predictions(folder, split))}
    done = {seed: path for seed, path in sorted(seeds.items()) if (path / "predictions.jsonl").is_file()}
    if not done:
        raise MercError(f"{folder}: none of its {len(seeds)} seeds has predictions; merc run --seeds makes them")
    if undone := sorted(seeds.keys() - done.keys()):
        notes.append(f"{folder}: not finished, and left out: seed {', '.join(map(str, undone))}")
    return {seed: (path, _predictions(path, split)) for seed, path in done.items()}


def _of_folds(folder: Path, split: str) -> str:
    """What the numbers of a run of several folds are of, and what they are over its folds."""
    held = read_folds(folder)
    numbers = [
        f"{TITLES[name]} {100 * one['mean']:.2f}" + ("" if one["std"] is None else f" ± {100 * one['std']:.2f}")
        for name, one in held.get(split, {}).items()
        if name in ("weighted_f1", "accuracy")
    ]
    over = f"; over folds: {', '.join(numbers)}" if numbers else ""
    return f"{folder}: the {split} predictions of its {len(held['folds'])} folds together{over}"


def _predictions(run: Path, split: str) -> Answered:
    everything = read_predictions(run / "predictions.jsonl")
    mine = {(p.conversation, p.id): p for p in everything if p.split == split}
    if not mine:
        there = ", ".join(sorted({str(p.split) for p in everything})) or "none"
        raise MercError(f"{run / 'predictions.jsonl'} has no predictions for the {split} split; it has: {there}")
    return mine


def _check_same(a: Path, first: Answered, b: Path, second: Answered, split: str) -> None:
    only_a, only_b = first.keys() - second.keys(), second.keys() - first.keys()
    if only_a or only_b:
        examples = ", ".join(sorted(f"{name[1]} of {name[0]}" for name in only_a | only_b)[:3])
        raise MercError(
            f"{a} and {b} were evaluated on different utterances of the {split} split, so their numbers do not "
            f"compare: {len(first.keys() & second.keys()):,} are in both, {len(only_a):,} only in {a}, "
            f"{len(only_b):,} only in {b} (for example {examples}). Evaluate both on the same data."
        )
    differ = sorted(key for key in first if first[key].truth != second[key].truth)
    if differ:
        key = differ[0]
        raise MercError(
            f"{a} and {b} have different truths for {len(differ):,} of {len(first):,} utterances of the {split} split, "
            f"so their numbers do not compare (for example {key[1]} of {key[0]}: {first[key].truth!r} and "
            f"{second[key].truth!r}). Evaluate both on the same labels."
        )


def _entry(
    name: str,
    folder: Path,
    runs: Mapping[int, tuple[Path, Answered]],
    keys: Sequence[Key],
    space: LabelSpace,
    measures: Sequence[tuple[Measure, Sequence[Key]]],
    split: str,
) -> Entry:
    every = [[answered[key] for key in keys] for _, answered in runs.values()] if keys else []
    counted: list[dict[str, Any]] = [{**classification(one, space)} for one in every]
    numbers = {column: [float(one[column]) for one in counted] for column in TITLES if keys}
    for measure, its in measures:
        if measure.name not in numbers:
            numbers[measure.name] = [
                _value(measure, run, answered, its, space, split) for run, answered in runs.values()
            ]
    return Entry(
        name,
        folder,
        {seed: answered for seed, (_, answered) in runs.items()},
        numbers,
        {label: [float(one["per_class"][label]["f1"]) for one in counted] for label in space.labels if keys},
    )


def _value(
    measure: Measure, run: Path, answered: Answered, keys: Sequence[Key], space: LabelSpace, split: str
) -> float:
    if not measure.component.repeatable():
        return measure.kept(run, split)
    value = measure.value([answered[key] for key in keys], space)
    if value is None:
        raise MercError(
            f"the metric {measure.metric!r} gives no number {measure.number!r} for {run}; see its metrics.json"
        )
    return value


def _verdict(first: Entry, second: Entry, measure: Measure, keys: Sequence[Key], space: LabelSpace) -> Verdict:
    means = [entry.mean(measure.name)[0] for entry in (first, second)]
    difference = Difference(
        means[1] - means[0], why="its numbers are those of metrics.json, so nothing can be drawn anew"
    )
    if measure.component.repeatable():
        one, two = (
            [measure.statistic([answered[key] for key in keys], space) for answered in entry.runs.values()]
            for entry in (first, second)
        )
        draws = RESAMPLES if measure.of_labels else FEWER_DRAWS
        difference = bootstrap(one, two, len({conversation for conversation, _ in keys}), resamples=draws)
    if len(first.runs) == len(second.runs) == 1:
        if not measure.of_labels:
            return Verdict(measure, difference, "", None, "one run each, and no matter of right and wrong labels")
        unread = measure.number == "unparsed_rate"  # then what is tested is whether there is a label
        right = [
            np.array([answered[key].label == (answered[key].truth if not unread else None) for key in keys])
            for entry in (first, second)
            for answered in entry.runs.values()
        ]
        return Verdict(measure, difference, "McNemar", mcnemar(right[0], right[1]))
    both = sorted(first.runs.keys() & second.runs.keys())
    if len(both) < 2:
        why = f"{len(both)} seed{'' if len(both) == 1 else 's'} in common, no paired t"
        return Verdict(measure, difference, "", None, why)
    pairs = [dict(zip(entry.runs, entry.numbers[measure.name], strict=True)) for entry in (first, second)]
    p = paired_t([pairs[0][seed] for seed in both], [pairs[1][seed] for seed in both])
    if p is None:
        return Verdict(measure, difference, "", None, "the same difference for every seed, no paired t")
    return Verdict(measure, difference, f"paired t, {len(both)} seeds", p)


def _names(runs: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell the runs apart.

    >>> _names([Path("runs/a"), Path("runs/b")]), _names([Path("x/run"), Path("y/run")])
    (['a', 'b'], ['x/run', 'y/run'])
    """
    parts = [run.resolve().parts for run in runs]
    for length in range(1, max(map(len, parts)) + 1):
        names = [str(Path(*p[-length:])) for p in parts]
        if len(set(names)) == len(set(parts)):
            break
    return names
