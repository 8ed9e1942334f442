"""Runs beside each other: their numbers, over seeds where there are several, and whether they differ."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.evaluation.classification import classification
from merc.evaluation.past_labels import explained, in_words, told_labels
from merc.evaluation.predictions import read_predictions
from merc.evaluation.significance import (
    Answers,
    Difference,
    bootstrap_weighted_f1,
    mcnemar,
    mean_and_deviation,
    paired_t,
)

COLUMNS = {
    "accuracy": "Accuracy",
    "weighted_f1": "Weighted F1",
    "macro_f1": "Macro F1",
    "uar": "UAR",
    "unparsed_rate": "Unparsed",
}
"""The numbers of the table, and what they are called there."""

_SEED = re.compile(r"seed-(\d+)$")

Key = tuple[str, str]
Answered = Mapping[Key, Prediction]


@dataclass(frozen=True)
class Entry:
    """A line of the table: a run, or the runs of one recipe with several seeds (by seed).

    Where a model was told labels of earlier utterances, its name says whose.
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
    """How an entry differs from the first one in weighted F1. ``test`` names the test that fits, with its p-value
    ``p``; ``why`` says in its place why there is none."""

    difference: Difference
    test: str
    p: float | None
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """Entries, the verdict on each but the first, and sentences about what was left out."""

    split: str
    n: int
    labels: tuple[str, ...]
    entries: Sequence[Entry]
    verdicts: Sequence[Verdict]
    notes: Sequence[str]

    def best(self, column: str) -> float:
        """The best mean of a column."""
        chosen = min if column == "unparsed_rate" else max
        return chosen(entry.mean(column)[0] for entry in self.entries)


def compare_runs(folders: Sequence[Path], split: str) -> Comparison:
    """Read run directories, each a run or the seeds of one (``merc run --seeds``), and hold them against the first.

    Raises MercError for fewer than two, a run without predictions of the split, and runs that were evaluated on
    different utterances or against different labels, saying how many differ.
    """
    if len(folders) < 2:
        raise MercError("merc compare wants two run directories or more: merc compare RUN_A RUN_B")
    notes: list[str] = []
    found = [_read(folder, split, notes) for folder in folders]
    first_folder, first = next(iter(found[0].values()))
    for runs in found:
        for folder, answered in runs.values():
            _check_same(first_folder, first, folder, answered, split)
    keys = [key for key, p in first.items() if p.truth is not None]
    if not keys:
        raise MercError(f"{folders[0]}: no utterance of the {split} split has a truth, so there is nothing to compare")
    # Numbers do not depend on labels that are never true, so one space for all runs keeps each run's own numbers.
    everything = [p for runs in found for _, answered in runs.values() for p in answered.values()]
    labels = tuple(sorted({label for p in everything for label in (p.truth, p.label) if label is not None}))
    told = [told_labels(p for _, answered in runs.values() for p in answered.values()) for runs in found]
    names = [f"{name} ({in_words(its)})" if its else name for name, its in zip(_names(folders), told, strict=True)]
    notes += [f"{in_words(its).capitalize()}. {explained(its)}" for its in dict.fromkeys(told) if its]
    entries = [
        _entry(name, folder, runs, keys, LabelSpace(labels))
        for name, folder, runs in zip(names, folders, found, strict=True)
    ]
    verdicts = [_verdict(entries[0], entry, keys, labels) for entry in entries[1:]]
    return Comparison(split, len(keys), labels, entries, verdicts, notes)


def _read(folder: Path, split: str, notes: list[str]) -> dict[int, tuple[Path, Answered]]:
    """The runs of a folder by seed; a single run counts as seed 0."""
    if not folder.is_dir():
        raise MercError(f"{folder} is no folder; the directory of a run was expected")
    seeds = {int(m[1]): path for path in folder.iterdir() if path.is_dir() and (m := _SEED.search(path.name))}
    if not seeds:
        return {0: (folder, _predictions(folder, split))}
    done = {seed: path for seed, path in sorted(seeds.items()) if (path / "predictions.jsonl").is_file()}
    if not done:
        raise MercError(f"{folder}: none of its {len(seeds)} seeds has predictions; merc run --seeds makes them")
    if undone := sorted(seeds.keys() - done.keys()):
        notes.append(f"{folder}: not finished, and left out: seed {', '.join(map(str, undone))}")
    return {seed: (path, _predictions(path, split)) for seed, path in done.items()}


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
    name: str, folder: Path, runs: Mapping[int, tuple[Path, Answered]], keys: Sequence[Key], space: LabelSpace
) -> Entry:
    counted = [classification([answered[key] for key in keys], space) for _, answered in runs.values()]
    return Entry(
        name,
        folder,
        {seed: answered for seed, (_, answered) in runs.items()},
        {column: [float(numbers[column]) for numbers in counted] for column in COLUMNS},
        {label: [float(numbers["per_class"][label]["f1"]) for numbers in counted] for label in space.labels},
    )


def _verdict(first: Entry, second: Entry, keys: Sequence[Key], labels: tuple[str, ...]) -> Verdict:
    some = next(iter(first.runs.values()))
    truth = _classes([some[key].truth for key in keys], labels)
    mine = {seed: _classes([answered[key].label for key in keys], labels) for seed, answered in first.runs.items()}
    its = {seed: _classes([answered[key].label for key in keys], labels) for seed, answered in second.runs.items()}
    difference = bootstrap_weighted_f1(truth, list(mine.values()), list(its.values()), len(labels))
    if len(mine) == len(its) == 1:
        (one,), (two,) = mine.values(), its.values()
        return Verdict(difference, "McNemar", mcnemar(one == truth, two == truth))
    both = sorted(mine.keys() & its.keys())
    if len(both) < 2:
        return Verdict(difference, "", None, f"{len(both)} seed{'' if len(both) == 1 else 's'} in common, no paired t")
    pairs = [dict(zip(e.runs, e.numbers["weighted_f1"], strict=True)) for e in (first, second)]
    p = paired_t([pairs[0][seed] for seed in both], [pairs[1][seed] for seed in both])
    if p is None:
        return Verdict(difference, "", None, "the same difference for every seed, no paired t")
    return Verdict(difference, f"paired t, {len(both)} seeds", p)


def _classes(answers: Sequence[str | None], labels: tuple[str, ...]) -> Answers:
    at = {label: i for i, label in enumerate(labels)}
    return np.array([len(labels) if a is None else at[a] for a in answers], dtype=np.int64)


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
