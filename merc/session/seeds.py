"""One recipe with several seeds, and what its numbers are over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from merc.errors import MercError
from merc.evaluation.corruption import ROWS
from merc.evaluation.metrics import further_metrics
from merc.evaluation.significance import mean_and_deviation
from merc.files import check_name, write_text
from merc.recipe import Recipe, load_recipe

NUMBERS = ("accuracy", "weighted_f1", "macro_f1", "uar", "unparsed_rate")

Metrics = Mapping[str, Mapping[str, Any]]


def seed_recipes(recipe: str, overrides: Sequence[str], count: int) -> dict[int, Recipe]:
    """The recipe with ``count`` seeds from its own one on, by seed.

    Raises MercError for a count below 1 and for whatever is wrong with the recipe.
    """
    if count < 1:
        raise MercError(f"--seeds counts runs from 1, not {count}")
    first = load_recipe(recipe, overrides)
    return {
        seed: first if seed == first.seed else load_recipe(recipe, [*overrides, f"seed={seed}"])
        for seed in range(first.seed, first.seed + count)
    }


def run_seeds(
    recipes: Mapping[int, Recipe], path: Path, one: Callable[[Recipe, Path, bool], Metrics]
) -> dict[int, Metrics]:
    """Run each seed into ``seed-<n>`` of a folder through ``one(recipe, folder, resume)``; gives the metrics by seed.

    A seed that is finished is left as it is, and one that is not goes on: what the same recipe has started is never
    started again. Raises MercError for a folder that holds a single run, or the seeds of another recipe.
    """
    check_name(path)
    if (path / "recipe.yaml").exists():
        raise MercError(f"{path} holds a single run; give another --run-dir for several seeds")
    by_seed = {}
    for seed, recipe in recipes.items():
        folder = path / f"seed-{seed}"
        by_seed[seed] = one(recipe, folder, (folder / "recipe.yaml").exists())
    return by_seed


def over_runs(metrics: Mapping[int, Metrics], by: str = "by_seed") -> dict[str, dict[str, Any]]:
    """By split and number: the mean, the sample standard deviation (null for one run) and the values of each run, by
    seed or by fold.

    ``per_class`` has the same of each label that every run has, its support included. The fractional numbers of every
    other metric stand under its name, beside ``of`` where it says what they are of;
    ``corrupt`` has the rows of worse media and words; ``label_history`` and ``following`` are as in ``metrics.json``,
    the latter the most of any run.

    >>> over_runs({0: {"test": {"accuracy": 0.5}}, 1: {"test": {"accuracy": 0.7}}})["test"]["accuracy"]["mean"]
    0.6
    """
    every = list(metrics.values())
    splits = [split for split in (every[0] if every else {}) if all(split in m for m in every)]
    by_split: dict[str, dict[str, Any]] = {}
    for split in splits:
        blocks = {seed: m[split] for seed, m in metrics.items()}
        numbers = _means(blocks, NUMBERS, by)
        for name in further_metrics(every[0][split]):
            if all(name in block for block in blocks.values()):
                its = {seed: block[name] for seed, block in blocks.items()}
                fractions = [key for one in its.values() for key, value in one.items() if isinstance(value, float)]
                numbers[name] = _text_beside(its, "of") | _means(its, dict.fromkeys(fractions), by)
        if by_label := _per_label(blocks, by):
            numbers["per_class"] = by_label
        if rows := _rows(blocks, by):
            numbers[ROWS] = rows
        if numbers:
            following = max(block.get("following", 0) for block in blocks.values())
            ahead = {"following": following} if following else {}
            by_split[split] = _text_beside(blocks, "label_history") | ahead | numbers
    return by_split


def _per_label(blocks: Mapping[int, Mapping[str, Any]], by: str) -> dict[str, Any]:
    """The numbers of each label over the runs: those in which somebody bears it, since 0 of 0 pulls no mean down."""
    tables = {run: block.get("per_class", {}) for run, block in blocks.items()}
    labels = [label for label in next(iter(tables.values())) if all(label in table for table in tables.values())]
    by_label = {}
    for label in labels:
        rows = {run: table[label] for run, table in tables.items()}
        borne = {run: row for run, row in rows.items() if row.get("support")}
        scores = _means(borne, ("precision", "recall", "f1"), by) if borne else {}
        by_label[label] = scores | _means(rows, ("support",), by)
    return by_label


def _rows(blocks: Mapping[int, Mapping[str, Any]], by: str) -> list[dict[str, Any]]:
    """The rows of worse media and words that every run has, with means of their numbers and drops. What they are of is
    the same for every seed; ``touched`` and ``missing`` are those of the first."""
    rows = []
    for same in zip(*(block.get(ROWS, ()) for block in blocks.values()), strict=False):
        its = dict(zip(blocks, same, strict=True))
        means = {
            part: _means({run: row[part] for run, row in its.items()}, same[0][part], by)
            for part in ("numbers", "drop")
        }
        rows.append({**same[0], **means})
    return rows


def _means(blocks: Mapping[int, Mapping[str, Any]], names: Iterable[str], by: str) -> dict[str, Any]:
    """Over runs, the numbers that every run has."""
    means = {}
    for name in names:
        if all(isinstance(block.get(name), int | float) for block in blocks.values()):
            values = [float(block[name]) for block in blocks.values()]
            mean, deviation = mean_and_deviation(values)
            each = {str(run): value for run, value in zip(blocks, values, strict=True)}
            means[name] = {"mean": mean, "std": deviation, by: each}
    return means


def _text_beside(blocks: Mapping[int, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """A text that stands beside numbers, where there is one; seeds of one recipe say the same."""
    words = dict.fromkeys(str(block[name]) for block in blocks.values() if name in block)
    return {name: " and ".join(words)} if words else {}


def write_over_seeds(path: Path, metrics: Mapping[int, Metrics]) -> dict[str, dict[str, Any]]:
    """Write ``seeds.json`` into the folder of the seeds, and give what it holds."""
    by_split = over_runs(metrics)
    write_text(path / "seeds.json", json.dumps({"seeds": list(metrics), **by_split}, indent=1) + "\n")
    return by_split
