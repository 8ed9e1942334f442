"""A trained run is used without the plugins that only trained or measured it."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import MercError
from merc.recipe import load_recipe, write_recipe

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
backbone: {name: hf, path: some/model}
labels: [joy, anger]
annotators: {teacher: {name: gone-teacher, frames: 3}}
stages:
  - {id: align, prompter: {name: gone-prompter, words: 3}, trainer: {name: gone-trainer, lr: '${env:NO_SUCH_LR}'}}
  - id: merc
    tasks:
      - {prompter: {name: conversation}}
      - {prompter: {name: gone-prompter}, demonstrations: {name: gone-selector}}
    trainer: {name: sft, select_by: gone-metric.kappa}
evaluate: {metrics: [classification, {name: gone-metric, key: '${env:NO_SUCH_KEY}'}]}
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path / "recipe.yaml"


def test_training_needs_all_of_it(run: Path):
    with pytest.raises(MercError) as told:
        load_recipe(str(run))
    for part in ("prompter 'gone-prompter'", "selector 'gone-selector'", "annotator 'gone-teacher'", "NO_SUCH_KEY"):
        assert part in str(told.value)


def test_predicting_needs_none_of_it(run: Path, tmp_path: Path):
    recipe = load_recipe(str(run), use="predict")
    assert [stage.id for stage in recipe.stages] == ["align", "merc"]
    assert recipe.stages[-1].prompter.name == "conversation" and recipe.stages[0].trainer.name == "gone-trainer"
    write_recipe(tmp_path / "again.yaml", recipe)  # what is not looked up is recorded as it was written
    text = (tmp_path / "again.yaml").read_text()
    assert "${env:NO_SUCH_LR}" in text and "words: 3" in text and "gone-selector" in text
    assert load_recipe(str(tmp_path / "again.yaml"), use="predict").resolved == recipe.resolved


def test_measuring_needs_the_metrics(run: Path):
    with pytest.raises(MercError) as told:
        load_recipe(str(run), use="evaluate")
    assert "NO_SUCH_KEY" in str(told.value) and "NO_SUCH_LR" not in str(told.value)
    recipe = load_recipe(str(run), ["evaluate.metrics=[classification]"], use="evaluate")
    assert list(recipe.evaluate.metrics) == ["classification"]


def test_what_asks_for_the_label_is_needed(run: Path):
    run.write_text(RECIPE.replace("{prompter: {name: conversation}}", "{prompter: {name: gone-asker}}"))
    with pytest.raises(MercError, match="unknown prompter 'gone-asker'"):
        load_recipe(str(run), use="predict")
    recipe = load_recipe(str(run), ["evaluate.prompter={name: conversation}"], use="predict")
    assert recipe.evaluate.prompter.name == "conversation"


def test_a_teacher_is_needed_where_prompts_read_cues(run: Path):
    with pytest.raises(MercError, match="unknown annotator 'gone-teacher'"):
        load_recipe(str(run), ["evaluate.prompter={name: conversation, cues: [face]}"], use="predict")
