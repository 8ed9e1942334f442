"""What fails behind the predictions costs none of them: nothing that is finished is removed, and the advice works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import merc.session.evaluation as evaluating
import merc.session.pipeline as pipeline
from merc.errors import MercError
from merc.recipe import Recipe, load_recipe
from merc.session.pipeline import run_recipe
from merc.session.reporter import Silent
from tests.tiny_backbone import save_tiny_backbone, save_tiny_corpus

RECIPE = """\
corpus: {{name: jsonl, path: talk.jsonl}}
backbone: {{name: hf, path: {folder}/backbone}}
labels: [joy, anger, sadness]
evaluate: {{splits: [test], prompter: {{name: conversation}}, metrics: [classification], states: true}}
strategy: {{device: cpu, threads: 1}}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """A recipe without stages."""
    folder = tmp_path_factory.mktemp("plain")
    save_tiny_backbone(folder / "backbone")
    save_tiny_corpus(folder / "talk.jsonl", train=1, dev=1, test=3)
    (folder / "plain.yaml").write_text(RECIPE.format(folder=folder))
    return load_recipe(str(folder / "plain.yaml"))


def fail(*given, **named):
    raise MercError("the judge answers 401: give it a key")


@pytest.mark.parametrize("late", ["compute_metrics", "record_seconds", "write_metrics", "write_report"])
def test_a_late_failure_leaves_the_predictions_and_resume_goes_on(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predicted: list[str], late: str
) -> None:
    run_recipe(recipe, tmp_path / "whole", Silent())
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, late, fail)
        with pytest.raises(MercError, match=r"the judge answers 401: give it a key\n.* with --resume the run goes on"):
            run_recipe(recipe, tmp_path / "run", Silent())
    assert predicted == ["test", "test"]
    run_recipe(recipe, tmp_path / "run", Silent(), resume=True)
    assert predicted == ["test", "test"]  # not asked again
    for name in ("metrics.json", "predictions.jsonl", "states.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert (tmp_path / "run" / "report.html").exists()


def test_what_a_kill_left_of_the_report_goes_with_the_next_resume(recipe: Recipe, tmp_path: Path) -> None:
    run_recipe(recipe, tmp_path / "run", Silent())
    (tmp_path / "run" / "report.html").rename(tmp_path / "run" / ".report.html.x1.tmp")
    run_recipe(recipe, tmp_path / "run", Silent(), resume=True)
    assert (tmp_path / "run" / "report.html").exists() and not list((tmp_path / "run").glob(".*.tmp"))


@pytest.mark.parametrize("damage", ["cut", "other utterances", "states gone"])
def test_predictions_that_do_not_serve_are_made_again(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predicted: list[str], damage: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "compute_metrics", fail)
        with pytest.raises(MercError):
            run_recipe(recipe, tmp_path / "run", Silent())
    file = tmp_path / "run" / "predictions.jsonl"
    whole = file.read_text()
    if damage == "states gone":
        (tmp_path / "run" / "states.safetensors").unlink()
    else:
        file.write_text(whole[:-30] if damage == "cut" else "".join(whole.splitlines(keepends=True)[1:]))
    run_recipe(recipe, tmp_path / "run", Silent(), resume=True)
    assert predicted == ["test", "test"] and file.read_text() == whole
    if damage != "states gone":
        notes = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
        assert any("predicted anew" in note.get("text", "") for note in notes)


@pytest.mark.parametrize("late", ["compute_metrics", "write_metrics", "write_report"])
def test_an_evaluation_goes_on_from_its_predictions(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predicted: list[str], late: str
) -> None:
    run = tmp_path / "run"
    run_recipe(recipe, run, Silent())
    predicted.clear()
    with monkeypatch.context() as patch:
        patch.setattr(evaluating, late, fail)
        with pytest.raises(MercError, match=r"the judge answers 401: give it a key\n.*the same command goes on"):
            evaluating.evaluate_again(run, [], None, Silent())
    assert not (run / "evaluations" / "test").exists()
    evaluating.evaluate_again(run, ["evaluate.decoder={name: verbalizer, normalize: tokens}"], "other", Silent())
    assert predicted == ["test"] * 2  # another evaluation takes none of these
    folder, _ = evaluating.evaluate_again(run, [], None, Silent())
    assert predicted == ["test"] * 2 and folder == run / "evaluations" / "test"
    assert (folder / "metrics.json").read_bytes() == (run / "metrics.json").read_bytes()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["other", "test"]


def test_kept_predictions_are_of_the_data_as_they_are_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predicted: list[str]
) -> None:
    save_tiny_backbone(tmp_path / "backbone")
    save_tiny_corpus(tmp_path / "talk.jsonl", train=1, dev=1, test=3)
    (tmp_path / "plain.yaml").write_text(RECIPE.format(folder=tmp_path))
    run = tmp_path / "run"
    run_recipe(load_recipe(str(tmp_path / "plain.yaml")), run, Silent())
    predicted.clear()
    with monkeypatch.context() as patch:
        patch.setattr(evaluating, "compute_metrics", fail)
        with pytest.raises(MercError, match="the same command goes on"):
            evaluating.evaluate_again(run, [], None, Silent())
    talks = (tmp_path / "talk.jsonl").read_text().splitlines()
    (train,) = [number for number, line in enumerate(talks) if json.loads(line)["split"] == "train"]
    changed = json.loads(talks[train])
    changed["utterances"][0]["text"] = "what demonstrations show has changed"
    talks[train] = json.dumps(changed)
    (tmp_path / "talk.jsonl").write_text("\n".join(talks) + "\n")
    evaluating.evaluate_again(run, [], None, Silent())
    assert predicted == ["test"] * 2


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ZeroDivisionError("of a metric")])
def test_an_evaluation_that_is_interrupted_or_has_a_fault_keeps_its_predictions(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predicted: list[str], failure: BaseException
) -> None:
    def stop(*given: object, **named: object) -> None:
        raise failure

    sentences: list[str] = []
    monkeypatch.setattr(Silent, "say", lambda self, sentence: sentences.append(sentence))
    run = tmp_path / "run"
    run_recipe(recipe, run, Silent())
    predicted.clear()
    with monkeypatch.context() as patch:
        patch.setattr(evaluating, "compute_metrics", stop)
        with pytest.raises(type(failure)) as raised:
            evaluating.evaluate_again(run, [], None, Silent())
    assert raised.value is failure
    assert sentences[-1] == "The predictions are kept: the same command goes on from them"
    folder, _ = evaluating.evaluate_again(run, [], None, Silent())
    assert predicted == ["test"] and [path.name for path in folder.parent.iterdir()] == ["test"]
    assert (folder / "metrics.json").read_bytes() == (run / "metrics.json").read_bytes()


def test_a_failure_before_the_predictions_leaves_nothing(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "write_predictions", fail)
    with pytest.raises(MercError):
        run_recipe(recipe, tmp_path / "run", Silent())
    assert not (tmp_path / "run" / "recipe.yaml").exists()
