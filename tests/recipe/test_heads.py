"""The section ``heads`` of a recipe: what fits together, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.builtin.heads import MultiLabel, Regression
from merc.errors import ManyErrors
from merc.recipe import Recipe, load_recipe

PLAIN = """\
labels: [joy, anger]
corpus: {name: toy-corpus, path: a}
backbone: {name: toy-llm, tuning: {name: lora}}
heads:
  affect: {name: regression, outputs: {valence: [-1, 1], arousal: [-1, 1]}}
  tagger: {name: multi-label, labels: [joy, fear], field: tags}
stages:
  - id: learn
    prompter: {name: conversation}
    trainer:
      {name: sft, select_by: regression.ccc,
       losses: [token-nll, {name: head, head: affect}, {name: head, head: tagger, weight: 0.5}]}
evaluate: {splits: [test], metrics: [classification, regression, {name: label-sets, field: tags}]}
"""


@pytest.fixture(autouse=True)
def _plain(here: Path) -> None:
    (here / "plain.yaml").write_text(PLAIN)


def loaded(*changes: str) -> Recipe:
    return load_recipe("plain.yaml", changes)


def errors(*changes: str, use: str = "train") -> list[str]:
    with pytest.raises(ManyErrors) as caught:
        load_recipe("plain.yaml", changes, use)  # type: ignore[arg-type]
    return caught.value.errors


def test_heads_are_components_by_name() -> None:
    recipe = loaded()
    assert recipe.heads["affect"].component == Regression(outputs={"valence": (-1, 1), "arousal": (-1, 1)})
    assert recipe.heads["tagger"].component == MultiLabel(labels=("joy", "fear"), field="tags")
    assert recipe.resolved["heads"]["affect"] == {
        "name": "regression", "outputs": {"valence": [-1.0, 1.0], "arousal": [-1.0, 1.0]}, "width": None,
    }  # fmt: skip
    trainer = recipe.stages[0].trainer.component
    assert list(trainer.heads()) == ["affect", "tagger"] and trainer.learns_answers()  # type: ignore[attr-defined]


def test_what_a_run_records_is_read_again(here: Path) -> None:
    from merc.recipe import dump_recipe

    (here / "again.yaml").write_text(dump_recipe(loaded()))
    assert load_recipe("again.yaml").heads == loaded().heads


@pytest.mark.parametrize(("changes", "words"), [
    (["heads.affect.outputs={valence: [1, -1]}"], ["heads.affect", "outputs.valence", "[1, -1]"]),
    (["heads.affect.outputs={valence: 1}"], ["heads.affect.outputs.valence"]),
    (["heads.mine={name: regresion}"], ["heads.mine.name", "Did you mean 'regression'?"]),
    (["heads.affect.outputs={label: [0, 1]}"], ["heads.affect", "'label'", "call it differently"]),
    (["heads.more={name: multi-label, labels: [a, b], field: tags}"], ["heads.more", "'tags'", "heads.tagger"]),
    (["heads.joy={name: regression, outputs: {power: [0, 1]}}"], ["heads.joy", "label 'joy'", "call it differently"]),
    (["heads.affect.outputs={Anger: [0, 1]}"], ["heads.affect", "'Anger'", "label 'anger'"]),
    (["stages.0.trainer.losses=[token-nll, {name: head, head: tagger}]"],
     ["heads.affect", "no loss makes it learn", "{name: head, head: affect}"]),
    (["stages.0.trainer.losses.1.weight=0"], ["heads.affect", "no loss makes it learn"]),
    (["stages.0.trainer.losses.1.head=affekt"], ["stages.0.trainer.losses", "'affekt'", "Did you mean 'affect'"]),
    (["heads=null"], ["stages.0.trainer.losses", "'affect'", "Its heads are: none"]),
    (["stages.0.trainable=[heads.affekt]"], ["stages.0.trainable", "Did you mean 'heads.affect'"]),
    (["evaluate.metrics=[{name: regression, outputs: [power]}]", "stages.0.trainer.select_by=regression.ccc"],
     ["evaluate.metrics.0", "values.power", "values.arousal, values.tags, values.valence"]),
    (["evaluate.metrics=[classification, regression, label-sets]"], ["evaluate.metrics.2", "values.labels"]),
    (["stages.0.trainer.select_by=regression.mae"], ["select_by", "regression.ccc", "regression.pearson"]),
])  # fmt: skip
def test_what_does_not_fit_is_named(changes: list[str], words: list[str]) -> None:
    found = errors(*changes)
    assert any(all(word in error for word in words) for error in found), found


@pytest.mark.parametrize(("metric", "section"), [
    ("regression", "name: regression, outputs"), ("label-sets", "name: multi-label, labels")
])  # fmt: skip
def test_a_metric_of_values_needs_a_head(metric: str, section: str) -> None:
    (error,) = errors(
        "heads=null", "stages.0.trainer.losses=[token-nll]", "stages.0.trainer.select_by=accuracy",
        f"evaluate.metrics=[classification, {metric}]",
    )  # fmt: skip
    assert "evaluate.metrics.1" in error and "no head of the recipe gives" in error and section in error


def test_heads_alone_are_something_that_learns() -> None:
    only = ["backbone.tuning={name: frozen}", "stages.0.trainer.losses=[{name: head, head: affect}]"]
    recipe = loaded(*only, "heads.tagger=null", "evaluate.metrics=[classification, regression]")
    assert not recipe.stages[0].trainer.component.learns_answers()  # type: ignore[attr-defined]
    assert recipe.stages[0].trainable is None
    (error,) = [
        e
        for e in errors("backbone.tuning={name: frozen}", "stages.0.trainer.losses=[token-nll]")
        if "learn:" in e or "loss" in e
    ][:1]
    assert "no loss makes it learn" in error


def test_a_stage_whose_trainable_head_no_loss_reads_learns_nothing(here: Path) -> None:
    second = "{id: second, prompter: {name: conversation}, trainer: {name: sft}, trainable: [heads.affect]}"
    whole = PLAIN.replace("evaluate:", f"  - {second}\nevaluate:")
    (here / "plain.yaml").write_text(whole)
    (error,) = errors()
    assert "stage 'second'" in error and "heads.affect" in error and "can learn" in error


def test_a_child_takes_out_a_head_of_its_parent(here: Path) -> None:
    losses = "losses: [token-nll, {name: head, head: affect}]"
    (here / "child.yaml").write_text(
        "extends: plain.yaml\nheads: {tagger: null}\nevaluate: {metrics: [classification, regression]}\n"
        f"stages:\n  - {{id: learn, prompter: {{name: conversation}}, trainer: {{name: sft, {losses}}}}}\n"
    )
    assert list(load_recipe("child.yaml").heads) == ["affect"]


def test_the_losses_of_a_trained_run_do_not_count(here: Path) -> None:
    (here / "plain.yaml").write_text(PLAIN.replace("name: sft", "name: no-such-trainer"))
    assert list(load_recipe("plain.yaml", use="predict").heads) == ["affect", "tagger"]
