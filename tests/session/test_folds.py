"""Several folds of a recipe: which there are, where they go, and what they come to together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import merc
from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.evaluation import read_predictions, write_predictions
from merc.evaluation.comparison import compare_runs
from merc.recipe import Recipe, load_recipe
from merc.session.directory import RunDirectory
from merc.session.fold_recipes import each_fold, fold_recipes
from merc.session.folds import run_folds, write_folds
from tests.tiny_backbone import save_tiny_backbone, save_tiny_corpus


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    talks = [
        {"id": f"d{i}", "session": f"S{i % 3}", "utterances": [{"id": f"u{i}", "text": f"{i}.", "label": "joy"}]}
        for i in range(6)
    ]
    (tmp_path / "talk.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    (tmp_path / "mine.yaml").write_text(
        "corpus: {name: jsonl, path: talk.jsonl}\nlabels: [joy, anger]\nsplit: {by: session, folds: all}\n"
    )
    return load_recipe(tmp_path / "mine.yaml")


def test_each_fold_has_a_recipe_that_a_run_records(recipe: Recipe) -> None:
    folds = fold_recipes(recipe)
    assert {number: fold.name for number, fold in folds.items()} == {1: "S0", 2: "S1", 3: "S2"}
    second = folds[2].recipe
    assert second.split is not None and second.split.fold == second.resolved["split"]["fold"] == 2
    assert recipe.resolved["split"]["fold"] is None
    assert [one.split for one in each_fold(recipe)] == [fold.recipe.split for fold in folds.values()]
    assert each_fold(second) == [second]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("split=null", "folds runs each fold of split.folds, and the recipe has none; write split: {by: conversation"),
        ("split.fold=2", "split.fold is 2, one fold; --folds runs all"),
        ("split.folds=4", "folds: 4 needs at least 4 groups by 'session', and there are 3"),
    ],
)
def test_what_is_no_recipe_of_several_folds(recipe: Recipe, tmp_path: Path, change: str, said: str) -> None:
    with pytest.raises(MercError) as raised:
        fold_recipes(load_recipe(tmp_path / "mine.yaml", [change]))
    assert said in str(raised.value)


def test_a_single_run_is_no_folder_for_folds(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").touch()
    with pytest.raises(MercError, match="holds a single run; give another --run-dir"):
        run_folds(fold_recipes(recipe), tmp_path, lambda *_: {})


def _finished(recipe: Recipe, folder: Path, right: int) -> dict[str, Any]:
    """What a run leaves of a fold whose first ``right`` utterances it has right."""
    assert recipe.split is not None and recipe.split.fold is not None
    tested = [i for i in range(6) if i % 3 == recipe.split.fold - 1]
    folder.mkdir(parents=True)
    RunDirectory(folder).write_labels(LabelSpace(("joy", "anger")))
    predictions = [
        Prediction(id=f"u{i}", conversation=f"d{i}", split=split, truth="joy", label="joy" if n < right else "anger")
        for split in ("dev", "test")
        for n, i in enumerate(tested)
    ]
    write_predictions(folder / "predictions.jsonl", predictions)
    return {split: {"n": 2, "accuracy": right / 2, "weighted_f1": right / 2} for split in ("dev", "test")}


def _run(recipe: Recipe, folder: Path, right: list[int]) -> None:
    asked: list[tuple[str, bool]] = []

    def one(which: Recipe, where: Path, resume: bool) -> dict[str, Any]:
        asked.append((where.name, resume))
        return _finished(which, where, right[len(asked) - 1])

    folds = fold_recipes(recipe)
    together = write_folds(recipe, folder, folds, run_folds(folds, folder, one))
    assert asked == [("fold-1", False), ("fold-2", False), ("fold-3", False)]
    assert together.metrics["test"]["n"] == 6 and together.metrics["test"]["accuracy"] == sum(right) / 6
    assert together.numbers()["test"] == together.metrics["test"]
    assert together.numbers()["dev"]["accuracy"] == sum(right) / 6, "which no predictions of several folds are of"


def test_what_the_folds_come_to(recipe: Recipe, tmp_path: Path) -> None:
    run = tmp_path / "run"
    _run(recipe, run, [2, 1, 0])
    kept = json.loads((run / "folds.json").read_text())
    assert kept["folds"] == {"1": "S0", "2": "S1", "3": "S2"}
    assert kept["test"]["accuracy"] == {"mean": 0.5, "std": 0.5, "by_fold": {"1": 1.0, "2": 0.5, "3": 0.0}}
    # Each conversation is tested once; those of dev are of no number together.
    assert [(p.split, p.conversation) for p in read_predictions(run / "predictions.jsonl")] == [
        ("test", f"d{i}") for i in (0, 3, 1, 4, 2, 5)
    ]
    assert set(json.loads((run / "metrics.json").read_text())) == {"test"}
    page = (run / "report.html").read_text()
    assert '<section id="folds">' in page and "1: S0" in page and "50.0% ± 50.0%" in page
    assert "not complete" not in page and '"text":"5."' in page
    with pytest.raises(MercError, match=r"holds several folds, each a run of its own; give one: .*fold-1"):
        RunDirectory(run).trained()
    (run / "recipe.yaml").unlink()
    (run / "fold-1" / "recipe.yaml").touch()
    with pytest.raises(MercError, match=r"holds several runs; give one of them, such as .*fold-1"):
        RunDirectory(run).trained()


def test_python_gives_the_numbers_and_a_session_for_each_fold(tmp_path: Path) -> None:
    save_tiny_backbone(tmp_path / "backbone")
    save_tiny_corpus(tmp_path / "talk.jsonl", 2, 1, 1)
    (tmp_path / "mine.yaml").write_text(
        "corpus: {name: jsonl, path: talk.jsonl}\nbackbone: {name: hf, path: ./backbone}\n"
        "evaluate: {splits: [test], prompter: {name: conversation}}\nstrategy: {device: cpu, threads: 1}\n"
        "labels: [joy, anger, sadness]\nsplit: {folds: 2, dev: 0}\n"
    )
    run = merc.run(tmp_path / "mine.yaml", run_dir=tmp_path / "run", folds=True)
    assert list(run.sessions) == [1, 2] and run.sessions[2].recipe.split is not None
    assert run.metrics["test"]["n"] == sum(one.metrics["test"]["n"] for one in run.sessions.values())
    accuracy = run.over_folds["test"]["accuracy"]["by_fold"]
    assert accuracy == {str(n): one.metrics["test"]["accuracy"] for n, one in run.sessions.items()}
    (tmp_path / "talk.jsonl").unlink()
    (said,) = run.sessions[2].predict({"text": "You came!"})
    assert said.label in ("joy", "anger", "sadness")


def test_folds_that_were_begun_go_on(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "run" / "fold-2").mkdir(parents=True)
    (tmp_path / "run" / "fold-2" / "recipe.yaml").touch()
    asked: list[bool] = []
    run_folds(fold_recipes(recipe), tmp_path / "run", lambda _, __, resume: asked.append(resume) or {})  # type: ignore[func-returns-value]
    assert asked == [False, True, False]


def test_runs_of_several_folds_are_compared_by_all_their_predictions(recipe: Recipe, tmp_path: Path) -> None:
    _run(recipe, tmp_path / "a", [2, 1, 0])
    _run(recipe, tmp_path / "b", [2, 2, 1])
    comparison = compare_runs([tmp_path / "a", tmp_path / "b"], "test", ["accuracy"])
    assert comparison.n == 6 and [e.mean("accuracy")[0] for e in comparison.entries] == [0.5, pytest.approx(5 / 6)]
    assert comparison.verdicts[0].test == "McNemar"
    assert "its 3 folds together; over folds: Accuracy 50.00 ± 50.00" in comparison.notes[0]
    for file in ("folds.json", "predictions.jsonl"):
        (tmp_path / "b" / file).unlink()
    with pytest.raises(MercError, match="its folds are not all finished; merc run RECIPE --folds goes on"):
        compare_runs([tmp_path / "a", tmp_path / "b"], "test")
