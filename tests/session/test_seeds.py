"""Several seeds of a recipe: where they go, what is done again and what is not, and their numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merc.errors import MercError
from merc.evaluation.label_history import sentences
from merc.recipe import Recipe
from merc.session.seeds import over_runs, run_seeds, seed_recipes, write_over_seeds


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "talk.jsonl").write_text('{"id": "c", "utterances": [{"text": "Hi.", "label": "joy"}]}\n')
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 3\ncorpus: {name: jsonl, path: talk.jsonl}\n")
    return str(path)


def test_seeds_count_from_the_recipes_own(recipe: str) -> None:
    made = seed_recipes(recipe, [], 3)
    assert {seed: r.seed for seed, r in made.items()} == {3: 3, 4: 4, 5: 5}
    assert [r.seed for r in seed_recipes(recipe, ["seed=0"], 2).values()] == [0, 1]


def test_fewer_than_one_seed_is_refused(recipe: str) -> None:
    with pytest.raises(MercError, match="--seeds counts runs from 1, not 0"):
        seed_recipes(recipe, [], 0)


def test_each_has_a_folder_and_what_was_begun_goes_on(recipe: str, tmp_path: Path) -> None:
    target = tmp_path / "runs"
    (target / "seed-4").mkdir(parents=True)
    (target / "seed-4" / "recipe.yaml").touch()
    asked: list[tuple[int, str, bool]] = []

    def one(given: Recipe, folder: Path, resume: bool) -> dict[str, Any]:
        asked.append((given.seed, folder.name, resume))
        return {"test": {"accuracy": given.seed / 10}}

    found = run_seeds(seed_recipes(recipe, [], 2), target, one)
    assert asked == [(3, "seed-3", False), (4, "seed-4", True)]
    assert found[4]["test"]["accuracy"] == 0.4


def test_a_single_run_is_no_folder_for_seeds(recipe: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").touch()
    with pytest.raises(MercError, match="holds a single run; give another --run-dir"):
        run_seeds(seed_recipes(recipe, [], 1), tmp_path, lambda *_: {})


def test_numbers_over_runs(tmp_path: Path) -> None:
    values = [0.2, 0.6, 0.7]
    metrics = {seed: {"test": {"accuracy": v, "n": 5}, "dev": {"accuracy": v}} for seed, v in enumerate(values)}
    del metrics[2]["dev"]
    found = write_over_seeds(tmp_path, metrics)
    kept = json.loads((tmp_path / "seeds.json").read_text())
    assert kept == {"seeds": [0, 1, 2], **found}
    assert list(found) == ["test"]  # a split that one of them lacks has no mean
    accuracy = found["test"]["accuracy"]
    assert accuracy["mean"] == pytest.approx(np.mean(values))
    assert accuracy["std"] == pytest.approx(np.std(values, ddof=1))
    assert accuracy["by_seed"] == {"0": 0.2, "1": 0.6, "2": 0.7}


def test_numbers_of_each_label_over_runs() -> None:
    def block(f1: float, support: int, *more: str) -> dict[str, Any]:
        row = {"precision": 0.5, "recall": f1, "f1": f1, "support": support}
        return {"test": {"accuracy": 0.5, "per_class": dict.fromkeys(("joy", *more), row)}}

    (found,) = over_runs({0: block(0.2, 3), 1: block(0.4, 5, "fear")}, "by_fold").values()
    assert list(found["per_class"]) == ["joy"]  # a label that one of them lacks has no mean
    joy = found["per_class"]["joy"]
    assert list(joy) == ["precision", "recall", "f1", "support"]
    assert joy["f1"] == {
        "mean": pytest.approx(0.3),
        "std": pytest.approx(0.1414, abs=1e-4),
        "by_fold": {"0": 0.2, "1": 0.4},
    }
    assert joy["support"]["mean"] == 4


def test_a_fold_in_which_nobody_bears_a_label_pulls_no_mean_down() -> None:
    def block(f1: float, support: int) -> dict[str, Any]:
        row = {"precision": f1, "recall": f1, "f1": f1, "support": support}
        return {"test": {"per_class": {"fear": row, "never": {**row, "support": 0}}}}

    found = over_runs({1: block(1.0, 2), 2: block(0.0, 0)}, "by_fold")["test"]["per_class"]
    assert found["fear"]["recall"] == {"mean": 1.0, "std": None, "by_fold": {"1": 1.0}}
    assert found["fear"]["support"]["mean"] == 1 and list(found["never"]) == ["support"]


def test_numbers_of_further_metrics_and_what_they_are_of() -> None:
    def block(f1: float, kappa: object) -> dict[str, Any]:
        last = {"of": "the last ones", "n": 2, "weighted_f1": f1, "per_class": {}}
        return {"test": {"accuracy": 0.5, "label_history": "gold", "confusion": {}, "last": last, "mine": {"k": kappa}}}

    found = over_runs({0: block(0.25, 0), 1: block(0.75, 0.5)})["test"]
    assert list(found) == ["label_history", "accuracy", "last", "mine"]
    assert found["label_history"] == "gold"
    assert list(found["last"]) == ["of", "weighted_f1"]  # counts have no mean
    assert found["last"]["of"] == "the last ones" and found["last"]["weighted_f1"]["mean"] == 0.5
    assert found["mine"]["k"]["by_seed"] == {"0": 0.0, "1": 0.5}
    found = over_runs({0: block(0.25, None), 1: block(0.75, 0.5)})["test"]
    assert found["mine"] == {}  # a number that one of them lacks has no mean


def test_numbers_with_later_utterances_in_the_prompt_say_so() -> None:
    blocks = [{"test": {"accuracy": 0.5, "following": n}} for n in (1, 2)] + [{"test": {"accuracy": 0.5}}]
    by_split = over_runs(dict(enumerate(blocks)))
    assert by_split["test"]["following"] == 2 and sentences(by_split)[0].startswith("Offline: 2 following utterances")
    assert "following" not in over_runs({0: blocks[2]})["test"]


def test_one_seed_has_no_deviation() -> None:
    assert over_runs({0: {"test": {"uar": 0.5}}})["test"]["uar"]["std"] is None
