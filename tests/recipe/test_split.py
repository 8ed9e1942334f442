"""The sections ``split`` and ``relabel`` of a recipe: what they become, what is refused, what a run records."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import ManyErrors
from merc.recipe import Splitting, dump_recipe, load_recipe

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
labels: [joy, anger]
relabel: {excited: joy, other: null, " Glad ": joy}
split: {by: session, folds: all, dev: 0, stratify: true}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "mine.yaml").write_text(RECIPE)
    return str(tmp_path / "mine.yaml")


def test_what_a_recipe_says(recipe: str, tmp_path: Path) -> None:
    loaded = load_recipe(recipe)
    assert loaded.relabel == {"excited": "joy", "other": None, "Glad": "joy"}
    assert loaded.split == Splitting(by="session", folds="all", dev=0, stratify=True)
    assert loaded.sources["split.seed"] == "default of split" and loaded.sources["split.by"].endswith("mine.yaml:4")
    (tmp_path / "recorded.yaml").write_text(dump_recipe(loaded))
    again = load_recipe(tmp_path / "recorded.yaml")
    assert (again.relabel, again.split) == (loaded.relabel, loaded.split)


def test_both_are_left_out_by_default_and_by_null(recipe: str) -> None:
    loaded = load_recipe(recipe, ["split=null", "relabel=null"])
    assert loaded.split is None and loaded.relabel == {}
    assert "split" not in loaded.resolved and "relabel" not in loaded.resolved


def test_what_is_inherited_is_changed_by_key(recipe: str, tmp_path: Path) -> None:
    (tmp_path / "child.yaml").write_text("extends: mine.yaml\nrelabel: {excited: excited}\nsplit: {fold: 2}\n"
                                         "labels: [joy, anger, excited]\n")  # fmt: skip
    child = load_recipe(tmp_path / "child.yaml")
    assert child.relabel["excited"] == "excited" and child.relabel["other"] is None
    assert child.split == Splitting(by="session", folds="all", fold=2, dev=0, stratify=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("split={test: 0.2, folds: 5}", "test and folds exclude each other"),
        ("split={test: 0.5, dev: 0.5}", "dev (0.5) and test (0.5) leave nothing to learn from"),
        ("split={folds: 2, dev: 0.5}", "dev (0.5) and one of 2 folds leave nothing"),
        ("split={folds: 1}", "folds counts from 2, not 1"),
        ("split={folds: al}", "Did you mean 'all'?"),
        ("split={folds: 5, fold: 6}", "fold is from 1 to 5, not 6"),
        ("split={fold: 2}", "say how many: folds: 5"),
        ("split={test: 0}", "test is a share of the conversations, above 0 and less than 1, not 0"),
        ("split={dev: 20}", "dev is a share of the conversations, from 0 to less than 1, not 20"),
        ("split={test: []}", "lists of at least one name"),
        ("split={by: ' '}", "by is empty"),
        ("split={stratfy: true}", "Did you mean 'stratify'?"),
        ("split=speaker", "wants a section of keys and values"),
        ("relabel.excited=jou", "relabel.excited (command line): 'jou' is not among the labels of the recipe (joy, "
                                "anger). Did you mean 'joy'?"),
        ("relabel.other=''", "null takes the label from its utterances"),
        ("relabel=[joy]", "relabel (command line): wants a mapping"),
    ],
)  # fmt: skip
def test_mistakes(recipe: str, change: str, said: str) -> None:
    with pytest.raises(ManyErrors) as raised:
        load_recipe(recipe, [*(["split=null"] if change.startswith("split=") else []), change])
    assert said in " ".join(str(raised.value).split())
