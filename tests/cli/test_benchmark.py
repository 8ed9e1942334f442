"""``merc benchmark``: a run on the sets of a benchmark, each with its own labels, and what is absent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.integration.forking import Ended, Forks
from tests.media.clips import write_clip
from tests.senses import mistake, read_lines, talk, write_talk


def set_of(folder: Path, name: str, moods: bool = True, **labels: str) -> Path:
    """A set of three conversations, on dev and test, whose emotions are of its own label space."""
    folder.mkdir(exist_ok=True)
    talks = [talk(split, number) for split, number in (("dev", 0), ("test", 0), ("test", 1))]
    for one in talks:
        for said in one["utterances"]:
            del said["video"]
            said["label"] = labels.get(said["label"], said["label"])
            if moods:
                said["mood"] = "bright" if said["label"] == "joy" else "dark"
    lines: list[dict[str, Any]] = [{"labels": [*labels.values(), "joy", "anger", "sadness", "awe"]}]
    return write_talk(folder / f"{name}.jsonl", [*lines, *talks])


@pytest.fixture
def run(words_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(words_run, tmp_path / "run"))


@pytest.fixture
def bench(program: Forks, run: Path, tmp_path: Path):
    def call(*arguments: str, benchmark: str = "talks") -> Ended:
        return program(
            tmp_path, "benchmark", str(run), "--benchmark", benchmark, "--data", str(tmp_path / "sets"), *arguments
        )

    return call


def test_sets_that_are_there_are_measured_each_with_its_own_labels(bench, run: Path, tmp_path: Path):
    set_of(tmp_path / "sets", "a", sadness="grief")
    ended = bench(
        "beside=[macro_f1]",
        "evaluate.decoder={name: verbalizer, normalize: tokens}",
        "evaluate.label_history=predicted",
    )
    assert ended.code == 0, ended.err
    folder = run / "benchmark" / "talks"
    assert f"table: {folder / 'table.md'}" in ended.out
    found = json.loads((folder / "table.json").read_text())
    columns = found["columns"]
    assert columns["A"]["labels"] == ["grief", "joy", "anger", "sadness", "awe"]
    assert columns["A-m"]["labels"] == ["bright", "dark"]
    assert (columns["A"]["samples"], columns["A-m"]["samples"]) == (4, 6)
    assert columns["B"] == {"value": None, "samples": None, "absent": "no b.jsonl or .parquet"}
    mean = (columns["A"]["value"] + columns["A-m"]["value"]) / 2
    assert found["averages"]["Avg"] == {"value": mean, "over": 2, "of": 3, "partial": True}
    assert found["parameters"] == {"number": "accuracy", "beside": ["macro_f1"]}
    assert columns["A"]["numbers"]["macro_f1"] <= 1
    said = read_lines((folder / "A-m" / "predictions.jsonl").read_text())
    assert [row["truth"] for row in said] == ["bright", "dark", "bright", "dark", "dark", "dark"]
    assert all(set(row["probabilities"]) == {"bright", "dark"} for row in said)
    how = json.loads((folder / "A" / "how.json").read_text())
    assert how["prompter"][1]["question"] == "How is it?" and "unheard" not in how["prompter"][1]
    assert how["decoder"] == {"name": "verbalizer", "normalize": "tokens"}
    assert (how["label_history"], how["segments"]) == ("predicted", None)
    assert "A: predicted label history: The model was shown its own predictions of earlier utterances." in ended.err
    assert "A-m: 6 samples; 4 are reported" in ended.err and "A: 4 samples" not in ended.err
    assert (folder / "table.txt").read_text() in ended.out


def test_predictions_are_kept_and_asked_for_again_only_on_request(bench, run: Path, tmp_path: Path):
    set_of(tmp_path / "sets", "a")
    assert bench().code == 0
    folder = run / "benchmark" / "talks"
    assert mistake(bench()).startswith(f"{folder} is there already; --reuse takes the predictions in it")
    file = folder / "A" / "predictions.jsonl"
    rows = read_lines(file.read_text())
    right = [{**row, "label": row["truth"]} for row in rows]
    file.write_text("".join(json.dumps(row) + "\n" for row in right))
    shutil.rmtree(folder / "A-m")
    set_of(tmp_path / "sets" / "b", "b")  # one that came later, in a folder of its name
    ended = bench("--reuse")
    assert ended.code == 0, ended.err
    found = json.loads((folder / "table.json").read_text())
    assert found["columns"]["A"]["value"] == 1.0
    assert found["averages"]["Avg"]["partial"] is False
    assert "was made with another" not in ended.err
    record = folder / "A" / "how.json"
    how = json.loads(record.read_text())
    del how["decoder"]  # as a merc wrote it before decoders were components
    before = {"decode": "verbalizer", "normalize": "none", "parser": "exact", "max_new_tokens": 32}
    record.write_text(json.dumps({**before, **how}))
    assert bench("--reuse").code == 0
    told = mistake(bench("--reuse", "features.seed=1"))
    assert told.startswith(f"{file} was made from other features; take {folder / 'A'} away to predict the set anew")
    told = mistake(bench("--reuse", "evaluate.decoder={name: verbalizer, normalize: tokens}"))
    assert told.startswith(f"{file} was made with another decoder; take {folder / 'A'} away")
    file.write_text("".join(json.dumps({**row, "id": row["id"].replace("test0", "test7")}) + "\n" for row in rows))
    told = mistake(bench("--reuse"))
    assert (
        "2 utterances have no prediction: test0_u0, test0_u1; 2 utterances are predicted and not in the set: " in told
    )
    assert "test7_u0, test7_u1. Take the file away" in told


def test_predictions_from_other_data_media_or_weights_are_not_taken(program: Forks, own_run: Path, tmp_path: Path):
    sets = tmp_path / "sets"
    (sets / "clips").mkdir(parents=True)
    for number in range(4):
        write_clip(sets / "clips" / f"{number}.mp4", frames=8, tone=220.0 * (number + 1))
    talks = [talk("dev", 0), talk("test", 0)]
    for said in (said for one in talks for said in one["utterances"]):
        said["mood"] = "bright"
    write_talk(sets / "a.jsonl", talks)

    def bench(*arguments: str) -> Ended:
        argv = ("benchmark", str(own_run), "--benchmark", "talks", "--data", str(sets), *arguments)
        return program(tmp_path, *argv)

    ended = bench()
    assert ended.code == 0, ended.err
    place = own_run / "benchmark" / "talks" / "A"
    file = place / "predictions.jsonl"
    assert bench("--reuse", "features.workers=1").code == 0

    clip, done = sets / "clips" / "0.mp4", own_run / "stages" / "merc" / "done.json"
    for changed, content, what in (
        (sets / "a.jsonl", (sets / "a.jsonl").read_bytes().replace(b"turn 0 of test0", b"turn 0 of test9"), "data"),
        (clip, (sets / "clips" / "3.mp4").read_bytes(), "media"),
        (done, json.dumps({**json.loads(done.read_text()), "files": {"of": "another training"}}).encode(), "weights"),
    ):
        before = changed.read_bytes()
        changed.write_bytes(content)
        told = mistake(bench("--reuse"))
        assert told.startswith(f"{file} was made from other {what}; take {place} away to predict the set anew"), told
        changed.write_bytes(before)

    how = json.loads((place / "how.json").read_text())
    del how["made_from"]  # as a merc wrote it that did not record this
    (place / "how.json").write_text(json.dumps(how))
    rows = read_lines(file.read_text())
    file.write_text("".join(json.dumps({**row, "label": None}) + "\n" for row in rows))
    ended = bench("--reuse")
    assert ended.code == 0, ended.err
    words = " ".join(ended.err.split())
    assert f"A: {file} does not record which data, media and weights it was made from: predicted anew" in words
    assert "A-m: " + str(file) not in words and read_lines(file.read_text()) == rows


def test_another_backbone_is_refused(bench, run: Path, tmp_path: Path):
    set_of(tmp_path / "sets", "a")
    assert bench().code == 0
    file = run / "provenance.json"
    found = json.loads(file.read_text())
    found["backbone"]["weights"]["model.safetensors"][1] = "0" * 64
    file.write_text(json.dumps(found))
    assert bench("--reuse").code == 0  # no model is needed
    shutil.rmtree(run / "benchmark" / "talks" / "A")
    message = " ".join(mistake(bench("--reuse")).split())
    assert "the backbone is not the one that the run" in message and "model.safetensors" in message


def test_what_does_not_fit_is_told_before_anything_is_predicted(bench, program: Forks, run: Path, tmp_path: Path):
    told = mistake(bench())
    assert told == f"--data {tmp_path / 'sets'} is not a folder; give the one that holds the imported sets\n"
    sets = tmp_path / "sets"
    sets.mkdir()
    assert mistake(bench()).startswith(
        f"no set of talks is in {sets}; each is a file that merc corpus import makes: a, b"
    )
    assert "unknown benchmark 'talk'. Did you mean 'talks'?" in mistake(bench(benchmark="talk"))
    assert "takes no 'nmber'. Did you mean 'number'?" in mistake(bench("nmber=accuracy"))
    set_of(sets, "b", moods=False)
    shutil.copy(sets / "b.jsonl", sets / "a.jsonl")
    told = mistake(bench())
    assert told.startswith(f"A-m ({sets / 'a.jsonl'}): no utterance of dev and test has label to compare with")
    set_of(sets / "a", "a")
    assert "the set 'a' is there more than once: " in mistake(bench())
    (sets / "a.jsonl").unlink()
    assert not (run / "benchmark").exists()
    told = mistake(bench("number=acuracy"))
    assert told.startswith("A: metric 'classification' gives no 'acuracy'; it gives n, accuracy, weighted_f1, ")


def test_a_file_of_no_set_is_named(bench, tmp_path: Path):
    set_of(tmp_path / "sets", "a")
    set_of(tmp_path / "sets", "bb")
    ended = bench()
    assert ended.code == 0, ended.err
    assert "bb.jsonl is no set of this benchmark, and not looked at." in ended.err


def test_clips_without_sound_or_picture_are_counted(program: Forks, senses: Path, own_run: Path, tmp_path: Path):
    """In table.json with the reasons of the first few, and in the table as "n of m"."""
    run, sets = own_run, tmp_path / "sets"
    talks = [talk("test", number) for number in (0, 1)]
    del talks[0]["utterances"][1]["video"]
    for one in (said for each in talks for said in each["utterances"] if "video" in said):
        one["video"] = str(senses / one["video"])
    sets.mkdir()
    write_talk(sets / "b.jsonl", [{"labels": ["joy", "anger", "sadness"]}, *talks])
    ended = program(tmp_path, "benchmark", str(run), "--benchmark", "talks", "--data", str(sets))
    assert ended.code == 0, ended.err
    folder = run / "benchmark" / "talks"
    missing = json.loads((folder / "table.json").read_text())["columns"]["B"]["missing"]
    assert {name: (found["without"], found["of"]) for name, found in missing.items()} == {
        "seen": (1, 4),
        "heard": (1, 4),
    }
    assert list(missing["seen"]["first"]) == ["test0_u1"] and missing["seen"]["first"]["test0_u1"]
    rows = [line for line in (folder / "table.md").read_text().splitlines() if line.startswith("| without")]
    assert [[cell for cell in row.strip("| ").split(" | ") if cell.strip()] for row in rows] == [
        ["without seen", "1 of 4"], ["without heard", "1 of 4"],
    ]  # fmt: skip
    assert "without heard" in (folder / "table.txt").read_text()
