"""``merc benchmark``, from two published sets, imported, to the table of the paper."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.tiny_backbone import save_tiny_backbone

pytestmark = pytest.mark.slow

WORDS = "name,chinese,english\ns1,,I love it.\ns2,,Stop that!\ns3,,Oh.\n"
TABLES = {
    "mer/train-label.csv": "name,discrete,valence\ns1,happy,3\n",
    "mer/test1-label.csv": "name,discrete,valence\ns2,angry,-3\ns3,neutral,0\n",
    "mer/transcription-engchi-polish.csv": WORDS,
    "mosi/label.csv": "video_id,clip_id,text,label,annotation,mode\nv,1,Great.,2,Positive,train\nv,2,Bad.,-2,Negative,"
    "test\nv,3,Fine.,1,Positive,test\nv,4,Well.,0,Neutral,test\n",
    "mosi/Raw/v/none.txt": "",
}
TALK = '{"id": "c", "split": "test", "utterances": [{"id": "u", "text": "Great!", "label": "joy"}]}\n'


def merc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MERC_CACHE": str(folder / "cache"), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "merc", *arguments], cwd=folder, capture_output=True, text=True, env=environment
    )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, wheels_folder: Path) -> Path:
    """A folder with a tiny run that was benched on the two sets."""
    pytest.importorskip("merc_corpora")
    folder = tmp_path_factory.mktemp("bench")
    for name, text in TABLES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "sets").mkdir()
    save_tiny_backbone(folder / "backbone")
    (folder / "talk.jsonl").write_text(TALK)
    recipe = {
        "corpus": {"name": "jsonl", "path": "talk.jsonl"},
        "labels": ["joy", "anger"],
        "backbone": {"name": "hf", "path": "./backbone"},
        "evaluate": {"splits": ["test"], "prompter": {"name": "emotion-llama", "media": []}},
        "strategy": {"device": "cpu", "threads": 1},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    for arguments in (
        ["corpus", "import", "mer2023", "mer", "sets/mer2023.jsonl", "--no-look"],
        ["corpus", "import", "cmu-mosi", "mosi", "sets/cmu-mosi.parquet", "--no-look"],
        ["run", "recipe.yaml", "--run-dir", "run"],
        ["benchmark", "run", "--benchmark", "mmeverse", "--data", "sets", f"wheels={wheels_folder}"],
    ):
        done = merc(folder, *arguments)
        assert done.returncode == 0, done.stderr
        (folder / "said.txt").write_text(done.stdout + done.stderr)
    return folder


def test_the_table_has_18_columns_of_which_two_are_there(bench: Path):
    folder = bench / "run" / "benchmark" / "mmeverse"
    lines = (folder / "table.md").read_text().splitlines()
    head, _, values, samples, *_ = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert head[1:] == [
        "MER23", "MER24", "MELD", "IEMOCAP", "MOSI", "MOSEI", "SIMS", "SIMS-v2", "OV-MERD+", "CAER", "E3", "DFEW",
        "MAFW", "MAFW-m", "BOLD", "MELD-s", "MC-EIU-i", "MC-EIU", "Avg-9", "Avg-18",
    ]  # fmt: skip
    found = json.loads((folder / "table.json").read_text())
    there = {title: column for title, column in found["columns"].items() if "absent" not in column}
    assert list(there) == ["MER23", "MOSI"]
    for title, value, counted in zip(head[1:19], values[1:19], samples[1:19], strict=True):
        assert bool(value) == bool(counted) == (title in there), title
    mean = (there["MER23"]["value"] + there["MOSI"]["value"]) / 2
    assert found["averages"]["Avg-9"] == {"value": mean, "over": 2, "of": 9, "partial": True}
    assert values[19:] == [f"{100 * mean:.2f} (partial: 2 of 9)", f"{100 * mean:.2f} (partial: 2 of 18)"]
    assert (folder / "table.txt").read_text() in (bench / "said.txt").read_text()


def test_each_set_is_asked_in_its_own_way(bench: Path):
    folder = bench / "run" / "benchmark" / "mmeverse"
    columns = json.loads((folder / "table.json").read_text())["columns"]
    assert columns["MER23"]["labels"] == ["neutral", "angry", "happy", "sad", "worried", "surprise"]
    assert columns["MOSI"]["labels"] == ["negative", "neutral", "positive"]
    assert {"hit_precision", "labels_per_sample", "samples"} <= set(columns["MER23"]["numbers"])
    assert (columns["MER23"]["asked"], columns["MER23"]["numbers"]["excluded"]) == (2, 1)
    assert (columns["MOSI"]["asked"], columns["MOSI"]["numbers"]["excluded_neutral"]) == (3, 1)
    rows = [json.loads(line) for line in (folder / "MOSI" / "predictions.jsonl").read_text().splitlines()]
    said = [(row["id"].removeprefix("cmu-mosi/"), row["truth"]) for row in rows]
    assert said == [("v_2", "negative"), ("v_3", "positive"), ("v_4", "neutral")]
    assert all(set(row["probabilities"]) == {"negative", "neutral", "positive"} for row in rows)
    how = json.loads((folder / "MOSI" / "how.json").read_text())
    assert how["prompter"][1]["task"] == "sentiment"
    assert "2 samples; 411 are reported" in " ".join((bench / "said.txt").read_text().split())


def test_the_wheels_are_asked_for_before_anything_is_predicted(bench: Path):
    done = merc(bench, "benchmark", "run", "--benchmark", "mer-unibench", "--data", "sets")
    assert done.returncode == 2
    assert "MER23 (sets/mer2023.jsonl)" in done.stderr and "wheels" in done.stderr
    assert not (bench / "run" / "benchmark" / "mer-unibench").exists()


def test_a_run_whose_labels_are_scored_writes_where_a_set_asks_for_a_text(bench: Path, wheels_folder: Path):
    (bench / "open").mkdir()
    said = {"id": "u", "text": "Great!", "label": "happy", "open_labels": ["joyful", "proud"]}
    (bench / "open" / "ov-merd-plus.jsonl").write_text(
        json.dumps({"id": "c", "split": "test", "utterances": [said]}) + "\n"
    )
    shutil.copytree(bench / "run", bench / "other")
    shutil.rmtree(bench / "other" / "benchmark")
    given = [
        "--benchmark",
        "mer-unibench",
        "--data",
        "open",
        f"wheels={wheels_folder}",
        "evaluate.text_decoder={name: generate, max_new_tokens: 5}",
    ]
    done = merc(bench, "benchmark", "other", *given)
    assert done.returncode == 0, done.stderr
    assert "OV-MERD+: asked for a text, so the model writes, up to 5 tokens" in " ".join(done.stderr.split())
    folder = bench / "other" / "benchmark" / "mer-unibench"
    assert json.loads((folder / "OV-MERD" / "how.json").read_text())["decoder"]["name"] == "generate"
    (row,) = [json.loads(line) for line in (folder / "OV-MERD" / "predictions.jsonl").read_text().splitlines()]
    assert isinstance(row["text"], str) and not row.get("probabilities")
    assert json.loads((folder / "table.json").read_text())["columns"]["OV-MERD+"]["samples"] == 1


@pytest.mark.parametrize("task", ["think", "reason"])
def test_reasoning_is_benched_on_sets_without_descriptions(bench: Path, wheels_folder: Path, task: str):
    """What a stage learned to write is no input where the model is asked."""
    recipe = yaml.safe_load((bench / "recipe.yaml").read_text())
    recipe["evaluate"] |= {
        "decoder": {"name": "generate", "max_new_tokens": 12, "parser": "answer-tag"},
        "prompter": {"name": "emotion-llama", "media": [], "task": task},
    }  # fmt: skip
    (bench / f"{task}.yaml").write_text(yaml.safe_dump(recipe))
    for arguments in (
        ["run", f"{task}.yaml", "--run-dir", f"run-{task}"],
        ["benchmark", f"run-{task}", "--benchmark", "mmeverse", "--data", "sets", f"wheels={wheels_folder}",
         f"recognise={task}"],
    ):  # fmt: skip
        done = merc(bench, *arguments)
        assert done.returncode == 0, done.stderr
    how = json.loads((bench / f"run-{task}" / "benchmark" / "mmeverse" / "MER23" / "how.json").read_text())
    assert how["prompter"][1]["task"] == task


@pytest.mark.data
def test_every_measure_of_clips_with_labels_valence_and_open_labels(bench: Path, clips_folder: Path, real_wheels: Path):
    talks = [json.loads(line) for line in (clips_folder / "conversations.jsonl").read_text().splitlines()]
    labels: dict[str, None] = {}
    for said in (said for talk in talks for said in talk["utterances"]):
        said["sentiment"] = "negative" if said["valence"] < 0 else "positive" if said["valence"] > 0 else "neutral"
        said["labels"] = said["open_labels"]
        said["video"] = str(clips_folder / said["video"])
        labels.update(dict.fromkeys([said["label"], *(said["open_labels"] or [])]))
    (bench / "clips").mkdir()
    for name in ("mer2024", "ov-merd-plus", "ch-sims", "dfew", "caer", "mafw"):
        rows = [{"labels": [*labels]}, *talks] if name == "mafw" else talks
        (bench / "clips" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copytree(bench / "run", bench / "real", ignore=shutil.ignore_patterns("benchmark"))
    given = [
        "--benchmark",
        "mmeverse",
        "--data",
        "clips",
        f"wheels={real_wheels}",
        "evaluate.text_decoder={name: generate, max_new_tokens: 4}",
    ]
    done = merc(bench, "benchmark", "real", *given)
    assert done.returncode == 0, done.stderr
    columns = json.loads((bench / "real" / "benchmark" / "mmeverse" / "table.json").read_text())["columns"]
    there = {title: column["samples"] for title, column in columns.items() if "absent" not in column}
    every, open_ = len(talks), sum(bool(talk["utterances"][0]["open_labels"]) for talk in talks)
    clear = sum(talk["utterances"][0]["label"] != "neutral" for talk in talks)
    assert there == {
        "MER24": clear, "SIMS": clear, "OV-MERD+": open_, "CAER": every, "DFEW": every, "MAFW": every, "MAFW-m": open_,
    }  # fmt: skip
