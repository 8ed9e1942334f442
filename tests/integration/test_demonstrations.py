"""Demonstrations in whole runs: trained, evaluated and predicted with what is found in the run's own train split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.comparing import files_of, log_of, same_numbers
from tests.integration.conftest import lay_out
from tests.integration.forking import Forks

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
backbone: {name: hf, path: FOLDER/backbone, tuning: {name: lora, r: 4, alpha: 8}}
labels: [joy, anger, sadness]
encoders:
  voice: {name: loudness}
connectors:
  voice: {name: linear}
stages:
  - id: merc
    prompter: {name: conversation, media: [voice], history: 1}
    demonstrations: {name: retrieved, k: 2, embedder: letters, streams: [voice], weight: 0.75}
    trainer: {name: sft, lr: 5e-3, batch_conversations: 4, batch_tokens: 1024}
evaluate: {metrics: [classification]}
strategy: {device: cpu, threads: 1, batch_tokens: 1024}
"""


def place(parts: Path, folder: Path) -> Path:
    """A folder of a test's own, with a corpus that may be changed, and ``shots.yaml``."""
    lay_out(parts, folder)
    text = (parts / "talk.jsonl").read_text()
    (folder / "talk.jsonl").unlink()
    (folder / "talk.jsonl").write_text(text)
    (folder / "shots.yaml").write_text(RECIPE.replace("FOLDER", str(folder)))
    return folder


@pytest.fixture(scope="module")
def run(merc: Forks, parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = place(parts, tmp_path_factory.mktemp("shots"))
    ended = merc(folder, "run", "shots.yaml", "--run-dir", "run")
    assert ended.code == 0, ended.err
    return folder / "run"


def talks_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "talk.jsonl").read_text().splitlines()]


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_index_stands_in_the_run_and_the_log_says_what_was_shown(run: Path) -> None:
    (index,) = (name for name in files_of(run) if name.startswith("retrieval/"))
    assert index.endswith(".safetensors")
    train = {u["id"] for talk in talks_of(run.parent) if talk["split"] == "train" for u in talk["utterances"]}
    records = log_of(run, "demonstrations")
    assert [(r["of"], r["selector"]) for r in records] == [("stages.0", "retrieved"), ("evaluate", "retrieved")]
    for record in records:
        assert record["sets"] > 3
        for shared in record["shared"]:
            assert len(set(shared["ids"])) == 2 and set(shared["ids"]) <= train


def test_the_resolved_recipe_reproduces_the_run(run: Path, merc: Forks, tmp_path: Path) -> None:
    ended = merc(tmp_path, "run", str(run / "recipe.yaml"), "--run-dir", "again")
    assert ended.code == 0, ended.err
    same_numbers(run, tmp_path / "again")


def test_a_prediction_is_that_of_the_run_and_other_shots_change_it(run: Path, merc: Forks, tmp_path: Path) -> None:
    talks = [talk for talk in talks_of(run.parent) if talk["split"] == "test"]
    for utterance in (u for talk in talks for u in talk["utterances"]):
        utterance.pop("label")
        if "audio" in utterance:
            utterance["audio"] = str(run.parent / utterance["audio"])
    asked = tmp_path / "new.jsonl"
    asked.write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    ended = merc(tmp_path, "predict", str(run), str(asked))
    assert ended.code == 0, ended.err
    assert "built anew" not in ended.err
    found = {line["id"]: line["probabilities"] for line in lines(ended.out)}
    wanted = {p["id"]: p["probabilities"] for p in lines((run / "predictions.jsonl").read_text())}
    assert found and all(found[name] == pytest.approx(wanted[name], abs=1e-5) for name in found)
    without = merc(tmp_path, "predict", str(run), str(asked), "evaluate.demonstrations=null")
    assert without.code == 0, without.err
    other = {line["id"]: line["probabilities"] for line in lines(without.out)}
    assert other.keys() == found.keys() and all(other[name] != found[name] for name in other)


def ask_untrained(merc: Forks, folder: Path) -> None:
    """A run that trains nothing, so that it is over soon."""
    ended = merc(folder, "run", "text.yaml", "--run-dir", "run", "stages=[]", "evaluate.splits=[test]",
                 "evaluate.prompter={name: conversation, history: 1}",
                 "evaluate.demonstrations={name: retrieved, k: 2, embedder: letters}")  # fmt: skip
    assert ended.code == 0, ended.err


def test_an_index_of_other_data_or_a_damaged_one_is_built_anew_and_said(
    merc: Forks, parts: Path, tmp_path: Path
) -> None:
    folder = place(parts, tmp_path)
    ask_untrained(merc, folder)
    (index,) = (folder / "run" / "retrieval").iterdir()
    whole = index.read_bytes()
    before = (folder / "run" / "predictions.jsonl").read_text()
    index.write_bytes(whole[: len(whole) // 2])
    ended = merc(folder, "evaluate", "run")
    assert ended.code == 0, ended.err
    assert "is truncated or damaged" in ended.err and "it is built anew" in ended.err
    assert index.read_bytes() == whole
    again = folder / "run" / "evaluations" / "test" / "predictions.jsonl"
    assert again.read_text() == before
    talks = talks_of(folder)
    first = next(talk for talk in talks if talk["split"] == "train")
    first["utterances"][0]["text"] = "Zebras, zebras, zebras"
    (folder / "talk.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    ended = merc(folder, "evaluate", "run")
    assert ended.code == 0, ended.err
    assert "was made from other data; it is built anew" in ended.err and index.read_bytes() != whole


def test_the_train_split_is_gone(merc: Forks, parts: Path, tmp_path: Path) -> None:
    folder = place(parts, tmp_path)
    ask_untrained(merc, folder)
    (folder / "talk.jsonl").rename(folder / "elsewhere.jsonl")
    ended = merc(folder, "predict", "run", "elsewhere.jsonl")
    assert ended.code == 2
    assert (
        "this run shows demonstrations from its own train split, which cannot be read: the conversations" in ended.err
    )
    assert "is not there; bring it back to where it was, or ask without, by evaluate.demonstrations=null" in ended.err
    ended = merc(folder, "predict", "run", "elsewhere.jsonl", "evaluate.demonstrations=null")
    assert ended.code == 0, ended.err


def test_more_shots_than_there_are_fail_before_the_model_is_loaded(merc: Forks, work: Path) -> None:
    ended = merc(work, "run", "text.yaml", "stages.0.demonstrations={name: random, k: 12}", "--run-dir", "run")
    assert ended.code == 2
    assert "stages.0.demonstrations: k: 12 wants more demonstrations than there are for 'train0_0', whose" in ended.err
    assert "own conversation is never" in ended.err
    assert "in 12 conversations" in ended.err and "Traceback" not in ended.err
    assert not (work / "run").exists()
    ended = merc(work, "run", "text.yaml", "stages.0.demonstrations={name: random, k: 13}", "--run-dir", "run")
    assert ended.code == 2 and "k: 13 wants more demonstrations than there are: the train split has" in ended.err
    ended = merc(work, "run", "text.yaml", "evaluate.demonstrations={name: random, k: 13}", "--run-dir", "run")
    assert ended.code == 2 and "evaluate.demonstrations: k: 13 wants more" in ended.err


def test_a_demonstration_longer_than_the_context_is_named(merc: Forks, parts: Path, tmp_path: Path) -> None:
    folder = place(parts, tmp_path)
    talks = talks_of(folder)
    first = next(talk for talk in talks if talk["split"] == "train")
    first["utterances"][0]["text"] = "so very " * 600
    (folder / "talk.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    name = first["utterances"][0]["id"]
    ended = merc(folder, "run", "text.yaml", "stages=[]",
                 "evaluate.prompter={name: conversation}", f"evaluate.demonstrations={{name: fixed, ids: [{name}]}}",
                 "--run-dir", "run")  # fmt: skip
    assert ended.code == 2
    assert (
        f"evaluate, split dev: the demonstration '{name}' alone has" in ended.err
        and "model's context of 512" in ended.err
    )
    assert "demonstrations are not cut" in ended.err and "Traceback" not in ended.err


def test_ten_fixed_prompts_are_trained_in_turn(merc: Forks, work: Path) -> None:
    """Each conversation sees another draw in the next epoch; evaluations on dev and of the run see the first alone."""
    selector = "stages.0.demonstrations={name: random, k: 1, sets: 10}"
    ended = merc(work, "run", "text.yaml", selector, "--run-dir", "run")
    assert ended.code == 0, ended.err
    trained, evaluated = log_of(work / "run", "demonstrations")
    assert evaluated["sets"] == 1 and trained["sets"] >= 10
    (only,) = evaluated["shared"]
    assert only["ids"] in [shared["ids"] for shared in trained["shared"]]
    assert trained["shared"] and all(len(shared["ids"]) == 1 for shared in trained["shared"])
