"""Dev is not predicted again at the end of a run whose last evaluation was of the same model, and else it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.recipe import load_recipe
from merc.session.last_evaluation import LastEvaluation
from merc.session.pipeline import run_recipe
from merc.session.reporter import Silent
from merc.training import loop
from tests.tiny_backbone import save_tiny_backbone, save_tiny_corpus

RECIPE = """\
corpus: {{name: jsonl, path: talk.jsonl}}
backbone: {{name: hf, path: {folder}/backbone, tuning: {{name: lora, r: 2}}}}
labels: [joy, anger, sadness]
stages:
  - id: words
    prompter: {{name: conversation}}
    trainer: {{name: sft, epochs: 3, lr: 1.0e-2, batch_conversations: 2}}
evaluate: {{splits: [dev, test], metrics: [classification]}}
strategy: {{device: cpu, threads: 1}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("last")
    save_tiny_backbone(folder / "backbone")
    save_tiny_corpus(folder / "talk.jsonl", train=3, dev=3, test=2)
    (folder / "words.yaml").write_text(RECIPE.format(folder=folder))
    return folder


def run(folder: Path, target: Path, *overrides: str) -> dict[str, bytes]:
    """What a run predicts and measures, by file."""
    run_recipe(load_recipe(str(folder / "words.yaml"), list(overrides)), target, Silent())
    return {name: (target / name).read_bytes() for name in ("predictions.jsonl", "metrics.json")}


def never(self, how):
    """In place of ``LastEvaluation._again``: predict anew."""


def test_the_same_numbers_with_one_prediction_less(
    folder: Path, tmp_path: Path, predicted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    once = ["stages.0.trainer.evaluate_every=100"]  # at the end alone, so the last state is the best
    found = run(folder, tmp_path / "a", *once)
    assert predicted == ["dev", "test"]
    predicted.clear()
    monkeypatch.setattr(LastEvaluation, "_again", never)
    assert run(folder, tmp_path / "b", *once) == found
    assert predicted == ["dev", "dev", "test"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["stages.0.trainer.epochs=1", "evaluate.states=true"],  # states are kept at the end alone
        ["stages.0.trainer.epochs=1", "evaluate.decoder={name: offsets}"],  # it is fitted after training
        ["stages.0.trainer.evaluate_every=100", "stages.0.trainer.ema_decay=0.5"],  # the mean is what was evaluated
    ],
    ids=["states", "fitted", "mean"],
)
def test_the_numbers_are_those_of_predicting_anew(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str]
) -> None:
    found = run(folder, tmp_path / "a", *overrides)
    monkeypatch.setattr(LastEvaluation, "_again", never)
    assert run(folder, tmp_path / "b", *overrides) == found


def test_an_earlier_state_is_predicted_again(
    folder: Path, tmp_path: Path, predicted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first evaluation is the best, so the model at the end is not the one that was evaluated last."""
    values = iter([0.9, 0.5, 0.1])
    monkeypatch.setattr(loop, "_metric", lambda metrics, name, stage: next(values))
    run(folder, tmp_path / "run")
    assert predicted == ["dev", "dev", "dev", "dev", "test"]
