"""``merc evaluate``: a trained run measured again, beside its own numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.integration.forking import Forks
from tests.senses import mistake, read_lines, talk, write_talk


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_again_gives_the_same_and_touches_nothing(program: Forks, own_run: Path, tmp_path: Path):
    before = contents(own_run)
    ended = program(tmp_path, "evaluate", str(own_run))
    assert ended.code == 0, ended.err
    folder = own_run / "evaluations" / "dev-test"
    assert (folder / "predictions.jsonl").read_bytes() == before["predictions.jsonl"]
    assert (folder / "metrics.json").read_bytes() == before["metrics.json"]
    assert {path: data for path, data in contents(own_run).items() if not path.startswith("evaluations/")} == before
    assert f"report: {folder / 'report.html'}" in ended.out
    rows = [line.replace("│", " ").split() for line in ended.out.splitlines()]
    accuracy = json.loads(before["metrics.json"])["test"]["accuracy"]
    assert any(row[:3] == ["test", "4", f"{accuracy:.4f}"] for row in rows)
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["evaluates"] == str(own_run)
    assert set(provenance["data"]) == {"dev", "test"}
    page = (folder / "report.html").read_text()
    assert "dev-test" in page and "evaluations/." not in page


def test_a_split_and_another_way_of_decoding(program: Forks, own_run: Path, tmp_path: Path):
    ended = program(
        tmp_path,
        "evaluate",
        str(own_run),
        "evaluate.decoder={name: verbalizer, normalize: tokens}",
        "--split",
        "test",
        "--name",
        "by-tokens",
    )
    assert ended.code == 0, ended.err
    folder = own_run / "evaluations" / "by-tokens"
    assert list(json.loads((folder / "metrics.json").read_text())) == ["test"]
    assert {p["split"] for p in read_lines((folder / "predictions.jsonl").read_text())} == {"test"}
    assert "normalize: tokens" in (folder / "recipe.yaml").read_text()
    assert "normalize: none" in (own_run / "recipe.yaml").read_text()


def test_the_demonstrations_are_kept_and_past_labels_said(program: Forks, words_run: Path, tmp_path: Path):
    run = shutil.copytree(words_run, tmp_path / "run")
    shown = "evaluate.demonstrations={name: random, k: 2}"
    ended = program(tmp_path, "evaluate", str(run), "--split", "test", shown, "evaluate.label_history=predicted")
    assert ended.code == 0, ended.err
    folder = run / "evaluations" / "test"
    (record,) = [r for r in read_lines((folder / "log.jsonl").read_text()) if r["event"] == "demonstrations"]
    asked = len(read_lines((folder / "predictions.jsonl").read_text()))
    assert (record["of"], record["selector"], record["sets"]) == ("evaluate", "random", 1)
    ((prompts, ids),) = [(shared["prompts"], shared["ids"]) for shared in record["shared"]]
    assert prompts == asked and len(set(ids)) == 2
    assert "Predicted label history (test). The model was shown its own predictions" in " ".join(ended.out.split())
    ended = program(tmp_path, "evaluate", str(run), "--split", "test", "--name", "without")
    assert ended.code == 0, ended.err
    assert "label history" not in ended.out
    log = run / "evaluations" / "without" / "log.jsonl"
    assert not log.exists() or "demonstrations" not in log.read_text()


def test_no_evaluation_is_written_over(program: Forks, own_run: Path, tmp_path: Path):
    for name in ("test", "test-2", "test-3"):
        ended = program(tmp_path, "evaluate", str(own_run), "--split", "test")
        assert ended.code == 0, ended.err
        assert f"evaluations/{name}/report.html" in ended.out
    told = mistake(program(tmp_path, "evaluate", str(own_run), "--split", "test", "--name", "test-2"))
    assert told == f"{own_run / 'evaluations' / 'test-2'} is there already; give another --name\n"
    told = mistake(program(tmp_path, "evaluate", str(own_run), "--name", "../elsewhere"))
    assert told.startswith("--name becomes a folder's name, so it has letters, digits, ")


def test_another_corpus_keeps_the_runs_labels(program: Forks, own_run: Path, tmp_path: Path):
    recipe = own_run / "recipe.yaml"  # as if the labels had come from the training corpus
    text = recipe.read_text()
    start = text.index("labels:")
    recipe.write_text(text[:start] + text[text.index("corpus:") :])
    other = talk("test", 0)
    other["id"], other["utterances"][0]["id"] = "other", "other_u0"
    other["utterances"][0].pop("video")
    write_talk(tmp_path / "other.jsonl", [other])
    told = mistake(program(tmp_path, "evaluate", str(own_run), f"corpus={{name: jsonl, path: {tmp_path}/other.jsonl}}"))
    assert "no conversation in the split 'dev'; the splits with some are: test (1)" in told
    ended = program(tmp_path, "evaluate", str(own_run), f"corpus.path={tmp_path}/other.jsonl", "--split", "test")
    assert ended.code == 0, ended.err
    folder = own_run / "evaluations" / "test"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["test"]["confusion"]["labels"] == ["joy", "anger", "sadness"]
    predictions = read_lines((folder / "predictions.jsonl").read_text())
    assert predictions[0]["missing"] == {
        "seen": "the utterance has no video file",
        "heard": "the utterance has no audio file",
    }
    assert "the utterance has no video file" in (folder / "report.html").read_text()


def test_what_goes_wrong_leaves_nothing_after(program: Forks, own_run: Path, tmp_path: Path):
    before = contents(own_run)
    wrong = talk("test", 0)
    wrong["utterances"][0]["label"] = "sad"
    write_talk(tmp_path / "wrong.jsonl", [wrong])
    told = mistake(program(tmp_path, "evaluate", str(own_run), f"corpus.path={tmp_path}/wrong.jsonl"))
    assert "wrong.jsonl, line 1: utterance 'test0_u0' has the label 'sad'." in told
    told = mistake(program(tmp_path, "evaluate", str(own_run), "--split", "tset"))
    assert "evaluate.splits" in told and "tset" in told
    told = mistake(program(tmp_path, "evaluate", str(own_run), "stages.0.trainer.lr=1"))
    assert told.startswith("'stages.0.trainer.lr=1': a trained run keeps what it is; what can be changed here is ")
    # A prompt that is too long is found once the model is there, in the midst of the work.
    told = mistake(
        program(
            tmp_path, "evaluate", str(own_run), f"evaluate.prompter={{name: conversation, question: {'so ' * 600}}}"
        )
    )
    assert "longer than the model's context of 512 tokens" in told
    assert contents(own_run) == before
    assert not (own_run / "evaluations").exists()


def test_a_folder_that_holds_no_run(program: Forks, tmp_path: Path):
    told = mistake(program(tmp_path, "evaluate", "."))
    assert told == ". holds no run; give the directory of a run, as merc run has made it\n"


def test_metrics_without_the_number_that_the_stage_chose_by(program: Forks, own_run: Path, tmp_path: Path):
    assert "select_by: weighted_f1" in (own_run / "recipe.yaml").read_text()
    twice = "evaluate.metrics=[micro-f1, {name: micro-f1, exclude: [LABEL]}]"
    label = next(iter(json.loads((own_run / "labels.json").read_text())))
    ended = program(
        tmp_path, "evaluate", str(own_run), "--split", "test", "--name", "micro", twice.replace("LABEL", label)
    )
    assert ended.code == 0, ended.err
    folder = own_run / "evaluations" / "micro"
    numbers = json.loads((folder / "metrics.json").read_text())["test"]
    assert {"micro-f1", f"micro-f1-exclude-{label}"} <= set(numbers) and "weighted_f1" not in numbers
    assert numbers[f"micro-f1-exclude-{label}"]["of"] == f"all labels but {label}"
    page = (folder / "report.html").read_text()
    assert f"micro-f1-exclude-{label}" in page
    # The folder is a run directory too: what reads it anew does not ask for the number either.
    assert program(tmp_path, "report", str(folder)).code == 0
