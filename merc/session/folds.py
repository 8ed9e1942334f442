"""One recipe with each of its folds as the test part, and what its numbers are over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from merc.conversation import Conversation, LabelSpace
from merc.errors import MercError
from merc.evaluation import compute_metrics, read_predictions, write_metrics, write_predictions, write_report
from merc.evaluation.folds import FILE
from merc.files import check_name, write_text
from merc.recipe import Recipe, write_recipe
from merc.session.data import load_conversations, read_corpus
from merc.session.directory import RunDirectory
from merc.session.seeds import Metrics, over_runs
from merc.session.splitting import fold_names
from merc.session.wiring import metrics_of


@dataclass(frozen=True)
class Fold:
    """The recipe of a fold, and what is tested in it (the session, say) where that has a name."""

    recipe: Recipe
    name: str


@dataclass(frozen=True)
class Together:
    """The numbers of the test predictions of all folds as one split, and the means over folds by split."""

    metrics: dict[str, dict[str, Any]]
    over_folds: dict[str, dict[str, Any]]


def fold_recipes(recipe: Recipe) -> dict[int, Fold]:
    """The recipe for each of its folds, by number from 1. The corpus is read to know how many there are.

    Raises MercError for a recipe without folds, for one of a single fold, and for more folds than there is to divide.
    """
    split = recipe.split
    if split is None or split.folds is None:
        raise MercError(
            f"{recipe.name}: --folds runs each fold of split.folds, and the recipe has none; write "
            "split: {by: conversation, folds: 5}, or folds: all for one of each speaker, session, ..."
        )
    if split.fold is not None:
        raise MercError(
            f"{recipe.name}: split.fold is {split.fold}, one fold; --folds runs all, so take split.fold out"
        )
    names = fold_names(read_corpus(recipe).conversations, split)
    return {number: Fold(_of_fold(recipe, number), name) for number, name in enumerate(names, 1)}


def each_fold(recipe: Recipe) -> list[Recipe]:
    """The recipe for each of its folds, or itself where it is a single run."""
    if recipe.split is None or recipe.split.folds is None or recipe.split.fold is not None:
        return [recipe]
    return [fold.recipe for fold in fold_recipes(recipe).values()]


def read_by_runs(recipe: Recipe) -> tuple[list[Conversation], list[str]]:
    """The conversations that runs of a recipe read, those of all its folds, each once; and the notes about them."""
    data = [load_conversations(one, trained=True) for one in each_fold(recipe)]
    conversations = {c.id: c for one in data for c in one.conversations}
    return list(conversations.values()), list(dict.fromkeys(note for one in data for note in one.notes))


def _of_fold(recipe: Recipe, number: int) -> Recipe:
    assert recipe.split is not None
    resolved = {**recipe.resolved, "split": {**recipe.resolved["split"], "fold": number}}
    sources = {**recipe.sources, "split.fold": "--folds"}
    return replace(recipe, split=replace(recipe.split, fold=number), resolved=resolved, sources=sources)


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
