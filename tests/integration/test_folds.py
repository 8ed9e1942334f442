"""``merc run --folds`` as a user runs it: every fold, stopped and gone on with, and used when the data are gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.conftest import TEXT
from tests.integration.forking import Forks
from tests.tiny_backbone import save_tiny_backbone, save_tiny_corpus


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus that states no split, and a recipe that divides it by session and relabels it."""
    folder = tmp_path_factory.mktemp("folds")
    save_tiny_backbone(folder / "backbone")
    talks = [json.loads(line) for line in save_tiny_corpus(folder / "all.jsonl", 8, 2, 2).read_text().splitlines()]
    for number, talk in enumerate(talks):
        del talk["split"]
        talk["session"] = number % 2 + 1
    (folder / "talk.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    text = TEXT.replace("FOLDER", str(folder)).replace("epochs: 2", "epochs: 1").replace(", sadness]", "]")
    (folder / "plain.yaml").write_text(text)
    split = "relabel: {sadness: null}\nsplit: {by: session, folds: all, dev: 0}\n"
    (folder / "folds.yaml").write_text(text.replace("evaluate: {", "evaluate: {splits: [test], ") + split)
    return folder


def test_all_folds_stopped_and_gone_on_with(folder: Path, merc: Forks) -> None:
    ended = merc(folder, "run", "folds.yaml", "--folds", "--run-dir", "run", kill_at=40)
    assert ended.code < 0 and not (folder / "run" / "folds.json").exists()
    ended = merc(folder, "run", "folds.yaml", "--folds", "--run-dir", "run")
    assert ended.code == 0, ended.err
    assert "over 2 folds" in ended.out and ended.out.rstrip().endswith("report: run/report.html")
    assert "split by session, fold 2 of 2: 12 conversations in 2 groups: train 6, test 6 (seed 0)" in ended.err
    assert "sadness is dropped in " in ended.err and "relabel: the labels are joy, anger" in ended.err
    talks = [json.loads(line) for line in (folder / "talk.jsonl").read_text().splitlines()]
    every = [json.loads(line) for line in (folder / "run" / "predictions.jsonl").read_text().splitlines()]
    assert sorted(p["id"] for p in every) == sorted(u["id"] for talk in talks for u in talk["utterances"])
    dropped = {u["id"] for talk in talks for u in talk["utterances"] if u["label"] == "sadness"}
    assert {p["id"] for p in every if p["truth"] is None} == dropped
    for fold in (1, 2):
        kept = json.loads((folder / "run" / f"fold-{fold}" / "split.json").read_text())
        assert kept["test"] == [talk["id"] for talk in talks if talk["session"] == fold]
        assert sorted([*kept["train"], *kept["dev"], *kept["test"]]) == sorted(talk["id"] for talk in talks)
    again = merc(folder, "run", "folds.yaml", "--folds", "--run-dir", "run")
    assert again.code == 0 and again.out == ended.out
    assert again.err.count("holds this run, finished") == 2


@pytest.mark.slow
def test_each_seed_may_have_all_folds(folder: Path, merc: Forks) -> None:
    ended = merc(folder, "run", "folds.yaml", "--folds", "--seeds", "2", "--run-dir", "seeds")
    assert ended.code == 0, ended.err
    parts = [(folder / "seeds" / f"seed-{seed}" / "fold-2" / "split.json").read_text() for seed in (0, 1)]
    assert parts[0] == parts[1]
    assert merc(folder, "run", "folds.yaml", "--folds", "--run-dir", "run", "--resume").code == 0
    compared = merc(folder, "compare", "run", "seeds")
    assert compared.code == 0, compared.err
    assert "its 2 folds together; over folds: " in compared.out


def test_a_fold_is_used_without_the_data(folder: Path, merc: Forks, tmp_path: Path) -> None:
    (folder / "talk.jsonl").rename(tmp_path / "talk.jsonl")
    try:
        ended = merc(folder, "predict", "run/fold-2", str(tmp_path / "talk.jsonl"))
        assert ended.code == 0, ended.err
        assert {json.loads(line)["label"] for line in ended.out.splitlines()} <= {"joy", "anger"}
        of_all = merc(folder, "predict", "run", str(tmp_path / "talk.jsonl"))
        assert of_all.code == 2 and "give one: run/fold-1" in of_all.err
    finally:
        (tmp_path / "talk.jsonl").rename(folder / "talk.jsonl")


def test_an_evaluation_keeps_to_the_parts_of_the_run(folder: Path, merc: Forks) -> None:
    lines = (folder / "talk.jsonl").read_text().splitlines(keepends=True)
    (folder / "more.jsonl").write_text("".join(lines[::-1]) + lines[0].replace("train0", "new"))
    ended = merc(folder, "evaluate", "run/fold-2", "corpus.path=more.jsonl", "--name", "more")
    assert ended.code == 0, ended.err
    assert "1 of 13 conversations are not in run/fold-2/split.json" in ended.err
    every = (folder / "run/fold-2/evaluations/more/predictions.jsonl").read_text().splitlines()
    tested = {json.loads(line)["conversation"] for line in every}
    assert tested == {"new", *json.loads((folder / "run" / "fold-2" / "split.json").read_text())["test"]}


def test_what_is_wrong_is_said_before_anything_is_made(folder: Path, merc: Forks) -> None:
    for argv, said in (
        (["plain.yaml"], "12 of 12 conversations state no split, and the recipe has none; state it in the data"),
        (["folds.yaml"], "split.folds: all is several runs: merc run RECIPE --folds makes them all"),
        (["folds.yaml", "split.folds=4", "--folds"], "folds: 4 needs at least 4 groups by 'session', and there are 2"),
        (["folds.yaml", "relabel.sadnes=joy", "--folds"], "relabel.sadnes: no utterance has the label 'sadnes'"),
    ):
        ended = merc(folder, "run", *argv, "--run-dir", "none")
        assert ended.code == 2 and said in ended.err and not (folder / "none").exists()
