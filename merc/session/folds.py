"""One recipe with each of its folds as the test part, and what its numbers are over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.evaluation import compute_metrics, read_predictions, write_metrics, write_predictions, write_report
from merc.evaluation.folds import FILE
from merc.files import check_name, write_text
from merc.recipe import Recipe, write_recipe
from merc.session.data import read_corpus
from merc.session.directory import RunDirectory
from merc.session.fold_recipes import Fold
from merc.session.seeds import Metrics, over_runs
from merc.session.wiring import metrics_of


@dataclass(frozen=True)
class Together:
    """The numbers of the test predictions of all folds as one split, and the means over folds by split."""

    metrics: dict[str, dict[str, Any]]
    over_folds: dict[str, dict[str, Any]]

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Those of test, and the means of every other split in their place."""
        return {split: _means_of(block) for split, block in self.over_folds.items()} | self.metrics


def _means_of(block: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: (one["mean"] if "mean" in one else _means_of(one)) if isinstance(one, Mapping) else one
        for name, one in block.items()
    }


def run_folds(
    recipes: Mapping[int, Fold], path: Path, one: Callable[[Recipe, Path, bool], Metrics]
) -> dict[int, Metrics]:
    """Run each fold into ``fold-<n>`` of a folder through ``one(recipe, folder, resume)``; gives the metrics by fold.

    A fold that is finished is left as it is, and one that is not goes on. Raises MercError for a folder that holds a
    single run, or the folds of another recipe.
    """
    check_name(path)
    if (path / "recipe.yaml").exists() and not (path / FILE).exists():
        raise MercError(f"{path} holds a single run; give another --run-dir for several folds")
    by_fold = {}
    for number, fold in recipes.items():
        folder = path / f"fold-{number}"
        by_fold[number] = one(fold.recipe, folder, (folder / "recipe.yaml").exists())
    return by_fold


def write_folds(recipe: Recipe, path: Path, recipes: Mapping[int, Fold], by_fold: Mapping[int, Metrics]) -> Together:
    """Write what the folds come to into their folder, which then looks like a run: ``recipe.yaml``, the test
    predictions of all folds in ``predictions.jsonl`` and their numbers in ``metrics.json``, ``folds.json`` with the
    mean, the deviation and the values by fold, and a report. Without predictions of test there are only the means."""
    directory = RunDirectory(path)
    over = over_runs(by_fold, "by_fold")
    names = {str(number): fold.name for number, fold in recipes.items()}
    write_recipe(directory.recipe_file, recipe)
    write_text(path / FILE, json.dumps({"folds": names, **over}, indent=1, ensure_ascii=False) + "\n")
    if not all("test" in metrics for metrics in by_fold.values()):
        return Together({}, over)
    runs = [RunDirectory(path / f"fold-{number}") for number in by_fold]
    labels = LabelSpace.joined([run.read_labels() for run in runs])
    tested = [p for run in runs for p in read_predictions(run.predictions) if p.split == "test"]
    # What asks a judge was asked in each fold, and is not asked again.
    metrics = {name: part for name, part in metrics_of(recipe).items() if part.component.repeatable()}  # type: ignore[attr-defined]
    together = compute_metrics(tested, labels, metrics)
    directory.write_labels(labels)
    write_predictions(directory.predictions, tested)
    write_metrics(directory.metrics, together)
    write_report(path, read_corpus(recipe).conversations, labels)
    return Together(together, over)
