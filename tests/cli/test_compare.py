"""``merc compare`` and ``merc report``: the table, the refusals, and the report made again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from merc.builtin.metrics import Classification
from merc.cli.compare import COLUMNS, compare
from merc.cli.main import app
from merc.components import Prediction
from merc.conversation import LabelSpace
from merc.evaluation import compute_metrics, write_metrics, write_predictions
from merc.recipe import Part

LABELS = ("neutral", "joy", "anger", "fear")
GOLD = ["neutral", "joy", "anger", "joy", None]


def predictions(guesses: list[str | None]) -> list[Prediction]:
    return [
        Prediction(id=f"u{i}", conversation="c", split="test", truth=t, label=g)
        for i, (t, g) in enumerate(zip(GOLD, guesses, strict=True))
    ]


def write(folder: Path, made: list[Prediction]) -> Path:
    folder.mkdir(parents=True)
    write_predictions(folder / "predictions.jsonl", made)
    own = Part(name="classification", params={}, component=Classification())
    write_metrics(folder / "metrics.json", compute_metrics(made, LabelSpace(LABELS), {"classification": own}))
    return folder


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "good", predictions(["neutral", "joy", "anger", "neutral", "joy"]))


@pytest.fixture
def poor(tmp_path: Path) -> Path:
    return write(tmp_path / "poor", predictions(["joy", "fear", None, "joy", "joy"]))


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "120"})


def test_the_table_has_a_row_a_run(good: Path, poor: Path) -> None:
    done = call("compare", good, poor)
    assert done.exit_code == 0, done.stderr
    rows = {line.split("│")[1].strip(): line for line in done.stdout.splitlines() if "%" in line}
    cells = [cell.strip() for cell in rows["good"].split("│")[1:-1]]
    assert cells[:3] == ["good", "4", "75.00%"]
    assert [cell.strip() for cell in rows["poor"].split("│")[1:-1]][-1] == "25.00%"


def test_its_numbers_are_those_of_metrics_json(good: Path, poor: Path) -> None:
    for run, (_, numbers) in zip((good, poor), compare([good, poor], "test"), strict=True):
        kept = json.loads((run / "metrics.json").read_text())["test"]
        assert numbers == pytest.approx({name: kept[name] for name in ("n", *COLUMNS)})


def test_runs_of_one_name_are_told_apart(tmp_path: Path, good: Path) -> None:
    made = predictions(["joy"] * 5)
    a, b = write(tmp_path / "a" / "run", made), write(tmp_path / "b" / "run", made)
    assert [name for name, _ in compare([a, b], "test")] == [str(Path("a/run")), str(Path("b/run"))]


def test_a_name_in_brackets_is_shown_as_it_is(tmp_path: Path, good: Path) -> None:
    other = write(tmp_path / "[bold]run", predictions(["joy"] * 5))
    assert "[bold]run" in call("compare", good, other).stdout


def test_different_utterances_are_refused_with_how_many(tmp_path: Path, good: Path) -> None:
    made = predictions(["joy"] * 5)
    other = write(tmp_path / "other", [*made[2:], replace(made[0], id="new")])
    done = call("compare", good, other)
    assert done.exit_code == 2
    assert "different utterances of the test split" in done.stderr
    assert f"3 are in both, 2 only in {good}, 1 only in {other}" in done.stderr
    assert done.stdout == ""


def test_a_run_with_more_utterances_is_refused_too(tmp_path: Path, good: Path) -> None:
    made = predictions(["joy"] * 5)
    other = write(tmp_path / "other", [*made, replace(made[0], id="new")])
    assert f"5 are in both, 0 only in {good}, 1 only in {other}" in call("compare", good, other).stderr


def test_different_truths_are_refused_with_how_many(tmp_path: Path, good: Path) -> None:
    made = predictions(["joy"] * 5)
    other = write(tmp_path / "other", [replace(made[0], truth="joy"), replace(made[1], truth="fear"), *made[2:]])
    done = call("compare", good, other)
    assert done.exit_code == 2
    assert "different truths for 2 of 5 utterances" in done.stderr
    assert "u0 of c: 'neutral' and 'joy'" in done.stderr


def test_every_run_is_held_against_the_first(tmp_path: Path, good: Path, poor: Path) -> None:
    other = write(tmp_path / "other", predictions(["joy"] * 5)[1:])
    assert "1 only in" in call("compare", good, poor, other).stderr


def test_what_cannot_be_compared_is_said(tmp_path: Path, good: Path, poor: Path) -> None:
    assert "wants two run directories" in call("compare", good).stderr
    assert "nowhere is no folder" in call("compare", good, tmp_path / "nowhere").stderr
    assert "no predictions for the dev split; it has: test" in call("compare", good, poor, "--split", "dev").stderr
    (tmp_path / "empty").mkdir()
    assert "predictions.jsonl is not there" in call("compare", good, tmp_path / "empty").stderr


def test_runs_without_truth_are_refused(tmp_path: Path) -> None:
    made = [replace(p, truth=None) for p in predictions(["joy"] * 5)]
    a, b = write(tmp_path / "a", made), write(tmp_path / "b", made)
    assert "no utterance of the test split has a truth" in call("compare", a, b).stderr


def test_report_is_made_again_with_the_texts_of_the_corpus(tmp_path: Path, good: Path) -> None:
    said = ", ".join(f'{{"id": "u{i}", "text": "turn number {i}"}}' for i in range(5))
    corpus = tmp_path / "talk.jsonl"
    corpus.write_text(f'{{"id": "c", "split": "test", "utterances": [{said}]}}\n')
    (good / "recipe.yaml").write_text(f"corpus: {{name: jsonl, path: {corpus}}}\n")
    done = call("report", good)
    assert (done.exit_code, done.stdout.strip()) == (0, str(good / "report.html")), done.stderr
    assert "turn number 3" in (good / "report.html").read_text()


def test_a_corpus_that_moved_is_no_dead_end(tmp_path: Path, good: Path) -> None:
    (good / "recipe.yaml").write_text(f"corpus: {{name: jsonl, path: {tmp_path / 'gone.jsonl'}}}\n")
    done = call("report", good)
    assert done.exit_code == 2
    assert "gone.jsonl" in done.stderr
    assert "--no-texts makes the report without them" in done.stderr
    # What it says to do works.
    said = ", ".join(f'{{"id": "u{i}", "text": "turn number {i}"}}' for i in range(5))
    (tmp_path / "moved.jsonl").write_text(f'{{"id": "c", "split": "test", "utterances": [{said}]}}\n')
    assert f"say where: merc report {good} corpus.path=...;" in done.stderr
    assert call("report", good, f"corpus.path={tmp_path / 'moved.jsonl'}").exit_code == 0
    (good / "report.html").unlink()
    (good / "recipe.yaml").write_text("corpus: {name: of-a-plugin-that-is-gone}\n")
    assert f"merc report {good} corpus={{name: ...}};" in call("report", good).stderr
    assert not (good / "report.html").exists()
    assert call("report", good, "--no-texts").exit_code == 0
    assert "5 of 5 predictions are about utterances that are not in the corpus" in (good / "report.html").read_text()


def test_report_without_a_recipe_or_a_run(tmp_path: Path, good: Path) -> None:
    assert "the corpus is unknown; --no-texts does without it" in call("report", good).stderr
    assert "is no folder" in call("report", tmp_path / "nowhere").stderr
    assert "is no run directory: it holds none of metrics.json" in call("report", tmp_path).stderr
