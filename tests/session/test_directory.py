from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from merc.conversation import LabelSpace
from merc.errors import MercError
from merc.evaluation.comparison import compare_runs
from merc.evaluation.run_files import read_run
from merc.recipe import Recipe, load_recipe
from merc.session.directory import RunDirectory
from merc.session.evaluation import _key
from merc.session.trained import TrainedRun

RECIPE = """\
title: A talk
seed: 3
corpus: {name: jsonl, path: talk.jsonl}
labels: [joy, anger]
backbone: {name: hf, path: some/model, tuning: {name: lora, r: 8}}
stages:
  - {id: merc, prompter: {name: conversation}, trainer: {name: sft, epochs: 2}}
evaluate: {splits: [test]}
"""


@pytest.fixture
def recipe(tmp_path: Path):
    (tmp_path / "talk.yaml").write_text(RECIPE)

    def load(*overrides: str) -> Recipe:
        return load_recipe(str(tmp_path / "talk.yaml"), overrides)

    return load


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "runs" / "one")


def finish(run: RunDirectory, stage: str = "merc") -> None:
    run.stage(stage).mkdir(parents=True)
    (run.stage(stage) / "done.json").write_text("{}")
    run.metrics.write_text("{}")


def test_a_new_folder_is_taken_with_its_recipe(run, recipe):
    assert run.open(recipe(), resume=False) is True
    assert load_recipe(str(run.recipe_file)).resolved == recipe().resolved


def test_checking_writes_nothing(run, recipe, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    run.check(recipe(), resume=False)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("resume", [False, True])
def test_another_recipe_is_refused_with_the_paths_that_differ(run, recipe, resume):
    run.open(recipe(), resume=False)
    with pytest.raises(MercError, match="belongs to another recipe: seed differs; give another --run-dir") as told:
        run.open(recipe("seed=4"), resume)
    assert str(run.recipe_file) in str(told.value)
    with pytest.raises(MercError, match=r"another recipe: backbone\.path, backbone\.tuning\.r differ; "):
        run.open(recipe("backbone.path=other", "backbone.tuning.r=4"), resume)
    changed = [
        "labels=[a]",
        "corpus.path=other.jsonl",
        "seed=1",
        "backbone={name: hf, path: x, dtype: float16}",
        "evaluate.decoder={name: generate}",
    ]
    with pytest.raises(MercError, match=r"another recipe: .* and \d+ more differ; "):
        run.open(recipe(*changed), resume)


@pytest.mark.parametrize("change", ["features.seed=1", "features.decode_seconds=9"])
def test_other_frames_or_limits_of_decoding_are_another_recipe(run, recipe, change):
    run.open(recipe(), resume=False)
    with pytest.raises(MercError, match=f"another recipe: {change.partition('=')[0]} differs; "):
        run.open(recipe(change), resume=True)
    assert run.open(recipe("features.store=elsewhere", "features.workers=9"), resume=True) is False


def test_what_an_evaluation_keeps_is_of_its_weights_and_of_what_counts_in_its_recipe(run, recipe):
    run.open(recipe(), resume=False)
    finish(run)

    def key(*changes: str) -> str:
        trained = TrainedRun(directory=run, recipe=recipe(*changes), labels=LabelSpace(("joy",)), device="cpu")
        return _key(trained, {}, {"train": {"sha256": "1"}})

    before = key()
    assert key("features.workers=9", "strategy.batch_tokens=64") == before != key("features.seed=1")
    (run.stage("merc") / "done.json").write_text('{"files": {"connectors.safetensors": "12"}}')
    assert key() != before


def test_words_and_speed_are_not_another_recipe(run, recipe):
    run.open(recipe(), resume=False)
    assert run.open(recipe("title=Other", "strategy.device=cpu", "features.workers=1"), resume=True) is False


def test_a_run_that_is_there_wants_resume(run, recipe):
    run.open(recipe(), resume=False)
    with pytest.raises(MercError, match="already holds an unfinished run of this recipe; add --resume to go on"):
        run.open(recipe(), resume=False)
    finish(run)
    with pytest.raises(MercError, match="already holds a finished run of this recipe; add --resume to go on"):
        run.open(recipe(), resume=False)


def test_a_folder_with_other_things_is_left_alone(run, recipe):
    run.path.mkdir(parents=True)
    (run.path / "thesis.txt").write_text("")
    with pytest.raises(MercError, match="is not empty and holds no run; give another --run-dir"):
        run.open(recipe(), resume=True)
    assert [path.name for path in run.path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_folder(tmp_path, recipe):
    with pytest.raises(MercError, match=r"talk\.yaml is a file, not a folder for a run"):
        RunDirectory(tmp_path / "talk.yaml").open(recipe(), resume=False)
    with pytest.raises(MercError, match=r"talk\.yaml/run cannot be written to \(.*Not a directory\); give another"):
        RunDirectory(tmp_path / "talk.yaml" / "run").open(recipe(), resume=False)


def test_a_run_that_never_began_is_abandoned(run, recipe):
    run.path.parent.mkdir()
    run.open(recipe(), resume=False)
    run.write_labels(LabelSpace(("joy",)))
    run.provenance.write_text("{}")
    run.note("something")
    run.stage("merc").mkdir(parents=True)
    run.abandon()
    assert not run.path.exists() and run.path.parent.is_dir()


def test_what_was_trained_is_not_abandoned(run, recipe):
    run.open(recipe(), resume=False)
    run.log({"event": "step", "stage": "merc", "step": 1})
    run.abandon()
    assert run.recipe_file.exists() and run.records()
    run.log_file.unlink()
    run.stage("merc").mkdir(parents=True)
    (run.stage("merc") / "best.safetensors").write_text("")
    run.abandon()
    assert run.recipe_file.exists()


def test_what_others_put_there_survives_an_abandoned_run(run, recipe):
    run.open(recipe(), resume=False)
    (run.path / "notes.txt").write_text("")
    run.abandon()
    assert [path.name for path in run.path.iterdir()] == ["notes.txt"]


def test_rewinding_drops_what_comes_after_a_step(run, recipe):
    run.open(recipe(), resume=False)
    run.note("a text with \u2028 in it")
    for stage in ("align", "merc"):
        for step in (1, 2, 3):
            run.log({"event": "step", "stage": stage, "step": step})
        run.log({"event": "dev", "stage": stage, "step": 3})
    run.rewind("merc", 2)
    kept = [(r["event"], r.get("stage"), r.get("step")) for r in run.records()]
    assert kept == [
        ("note", None, None),
        *[("step", "align", step) for step in (1, 2, 3)],
        ("dev", "align", 3),
        ("step", "merc", 1),
        ("step", "merc", 2),
    ]


def test_what_a_terminal_would_obey_is_a_code_in_the_log_and_comes_back(run, recipe):
    run.open(recipe(), resume=False)
    for _ in range(2):
        run.note("of \x9b2J\u202e and \ud83d")
    assert run.log_file.read_bytes().isascii()
    assert [r["text"] for r in run.records()] == ["of \x9b2J\u202e and \ud83d"]


def test_a_torn_last_line_of_the_log_is_left_out(run, recipe):
    run.open(recipe(), resume=False)
    run.note("whole")
    with run.log_file.open("a") as file:
        file.write('{"event": "no')
    assert [r["text"] for r in run.records()] == ["whole"]
    run.open(recipe(), resume=True)
    run.note("after")
    assert [r["text"] for r in run.records()] == ["whole", "after"]
    assert all(json.loads(line) for line in run.log_file.read_text().splitlines())


def test_labels_come_back_with_their_words(run, recipe):
    run.open(recipe(), resume=False)
    labels = LabelSpace(("sadness", "joy"), {"joy": ("joy", "Freude")})
    run.write_labels(labels)
    assert run.read_labels().labels == labels.labels
    assert [run.read_labels().words_of(label) for label in labels.labels] == [("sadness",), ("joy", "Freude")]


def test_labels_that_are_not_there_or_damaged(run, recipe):
    with pytest.raises(MercError, match=r"holds no run: labels\.json is not there; give a folder that merc run has"):
        run.read_labels()
    run.open(recipe(), resume=False)
    run.labels.write_text('{"joy": ')
    with pytest.raises(MercError, match=r"labels\.json is damaged: not JSON"):
        run.read_labels()


@pytest.mark.parametrize("name", ["a" * 300, "é" * 200])
def test_a_name_that_is_too_long_is_one_sentence(tmp_path, recipe, name):
    for use in (RunDirectory, read_run, lambda path: compare_runs([path, path], "test")):
        with pytest.raises(MercError, match=r"cannot be a folder of this file system: .*; give a shorter name") as told:
            use(tmp_path / name)
        assert f"({len(name)} letters)" in str(told.value)


NAMES = ["a:b", "~nobody", "~", "-x", "with space", "[seed]-*", "$HOME ${x}", "line\nbreak", "é"]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_may_have_any_name(tmp_path, recipe, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = RunDirectory(Path(name))
    assert run.open(recipe(), resume=False) is True
    run.note(f"it is in {name}")
    finish(run)
    assert run.open(recipe(), resume=True) is False
    assert run.trained().resolved == recipe().resolved
    assert [r["text"] for r in run.records()] == [f"it is in {name}"]
    assert (tmp_path / name / "recipe.yaml").is_file()


def test_a_folder_whose_name_is_no_text(tmp_path, recipe):
    run = RunDirectory(Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xff")))
    run.open(recipe(), resume=False)
    run.note(f"it is in {run.path}")
    assert len(run.records()) == 1 and "r\\udcff" in run.log_file.read_text()


def test_a_log_torn_inside_a_letter_and_damaged_lines(run, recipe):
    run.open(recipe(), resume=False)
    for text in ("one", "two", "three"):
        run.note(text)
    lines = run.log_file.read_bytes().split(b"\n")
    torn = '{"event": "note", "text": "é'.encode()[:-1]
    run.log_file.write_bytes(b"\n".join([lines[0], b'{"event": ', b"[" * 100_000, b"\xff", *lines[1:3], torn]))
    assert [r["text"] for r in run.records()] == ["one", "two", "three"]
    run.rewind("merc", 0)
    run.log_file.write_bytes(b"\n".join([lines[0], b"\xff", *lines[1:3], torn]))
    run.open(recipe(), resume=True)
    said = [r["text"] for r in run.records()]
    assert said[:3] == ["one", "two", "three"]
    assert said[3] == "log.jsonl was damaged: 1 of its 4 lines could not be read and are gone"


@pytest.mark.parametrize(
    "content", ["", "[]", '{"joy": 3}', '{"joy": [3]}', "[" * 100_000, '{"joy": ["a"], "b": ["a"]}']
)
def test_labels_of_another_form(run, recipe, content):
    run.open(recipe(), resume=False)
    run.labels.write_text(content)
    with pytest.raises(MercError, match=r"labels\.json is damaged: .*; bring it back"):
        run.read_labels()


@pytest.mark.parametrize("content", ["", "a: [", "\x00", "stages: 3", "9" * 5000])
def test_a_damaged_recipe_of_a_run(run, recipe, content):
    run.open(recipe(), resume=False)
    run.recipe_file.write_text(content)
    with pytest.raises(MercError, match="holds a run whose recipe cannot be read: ") as told:
        run.check(recipe(), resume=True)
    assert f"Bring {run.recipe_file} back, or give another --run-dir" in str(told.value)
