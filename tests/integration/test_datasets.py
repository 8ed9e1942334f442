"""A mixture of two sets with labels of their own, from training to a second evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from merc.errors import MercError
from merc.recipe import load_recipe
from merc.session.evaluation import evaluate_again
from merc.session.pipeline import run_recipe
from merc.session.reporter import Silent
from tests.senses import read_lines
from tests.tiny_backbone import write_tiny_recipe

SETS = {"talks": ["joy", "anger", "sadness"], "views": ["positive", "negative"]}


@pytest.fixture
def mixture(tmp_path: Path) -> Path:
    """The tiny recipe on its own conversations and as many of another set, labelled otherwise."""
    recipe = write_tiny_recipe(tmp_path, trainer="epochs: 1, losses: [{name: label-ce, class_weights: balanced}]")
    talks = read_lines((tmp_path / "talk.jsonl").read_text())
    views = json.loads(json.dumps(talks))
    for talk in views:
        talk["id"] = f"v_{talk['id']}"
        for said in talk["utterances"]:
            said |= {"id": f"v_{said['id']}", "label": "positive" if said["label"] == "joy" else "negative"}
    told = [{"dataset": name, "labels": labels} for name, labels in SETS.items()]
    lines = [*told, *({**t, "dataset": "talks"} for t in talks), *({**t, "dataset": "views"} for t in views)]
    (tmp_path / "talk.jsonl").write_text("\n".join(map(json.dumps, lines)))
    recipe.write_text(recipe.read_text().replace("labels: [joy, anger, sadness]\n", ""))
    return recipe


def labels_by_set(file: Path) -> dict[str, set[tuple[str, ...]]]:
    found: dict[str, set[tuple[str, ...]]] = {"talks": set(), "views": set()}
    for row in read_lines(file.read_text()):
        assert row["label"] in row["probabilities"]
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        found["views" if row["id"].startswith("v_") else "talks"].add(tuple(row["probabilities"]))
    return found


def test_a_run_asks_each_set_for_its_own_labels(mixture: Path, tmp_path: Path) -> None:
    own = {name: {tuple(labels)} for name, labels in SETS.items()}
    metrics = run_recipe(load_recipe(str(mixture)), tmp_path / "run", Silent())
    assert labels_by_set(tmp_path / "run/predictions.jsonl") == own
    assert metrics["test"]["confusion"]["labels"] == [*SETS["talks"], *SETS["views"]]
    folder, again = evaluate_again(tmp_path / "run", ["evaluate.splits=[test]"], "again", Silent())
    assert labels_by_set(folder / "predictions.jsonl") == own
    assert again["test"]["accuracy"] == metrics["test"]["accuracy"]


def test_a_dataset_that_is_not_there_stops_a_run(mixture: Path, tmp_path: Path) -> None:
    recipe = load_recipe(str(mixture), ["stages.0.data.datasets=[talks, view]"])
    with pytest.raises(MercError, match=r"stages\.0\.data\.datasets: .* of 'view'\. Did you mean 'views'"):
        run_recipe(recipe, tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()
