"""A packed run predicts what the run does, and says nothing of the machine that made it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import merc
from merc.session.pack import _each_text, _named_here
from merc.session.places import nowhere, places_in
from tests.senses import senses_here

BASE = "someone/tiny-llama"


@pytest.fixture(scope="module", autouse=True)
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with senses_here(tmp_path_factory):
        yield


@pytest.fixture(scope="module")
def packed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return merc.pack_run(trained, tmp_path_factory.mktemp("packed") / "run", base=BASE)


def test_no_file_names_a_place_of_the_machine(packed: Path, trained: Path) -> None:
    assert places_in(trained / "recipe.yaml") and places_in(trained / "provenance.json")
    files = [file for file in packed.rglob("*") if file.is_file()]
    assert {file.name: places_in(file) for file in files if places_in(file)} == {}
    record = json.loads((packed / "provenance.json").read_text())
    assert "machine" not in record and "platform" not in record and record["backbone"]["path"] == BASE
    assert str(trained.parent) not in record["command"] and "--run-dir run" in record["command"]


def test_names_of_files_that_the_training_read_are_no_places(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    record = json.loads((run / "provenance.json").read_text())
    record["files"] = {"stages.merc.trainer": {"/home/ann/one/done.json": "1", "/home/ann/two/done.json": "2"}}
    (run / "provenance.json").write_text(json.dumps(record))
    packed = merc.pack_run(run, tmp_path / "packed", base=BASE)
    assert places_in(packed / "provenance.json") == []
    files = json.loads((packed / "provenance.json").read_text())["files"]
    assert files == {"stages.merc.trainer": {"done.json": "1", "done.json (2)": "2"}}


def test_what_using_it_needs_is_there_and_no_words_of_its_data(packed: Path, trained: Path) -> None:
    names = {str(file.relative_to(packed)) for file in packed.rglob("*") if file.is_file()}
    done = json.loads((trained / "stages/merc/done.json").read_text())
    assert {f"stages/merc/{name}" for name in done["files"]} <= names
    assert names & {"predictions.jsonl", "log.jsonl", "report.html"} == set()
    for name in done["files"]:
        assert (packed / "stages/merc" / name).read_bytes() == (trained / "stages/merc" / name).read_bytes()
    adapter = json.loads((packed / "stages/merc/adapter/adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == BASE


def test_what_has_a_checksum_stays_as_it_is(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    stage = run / "stages" / "merc"
    (stage / "backbone").mkdir()
    (stage / "backbone" / "model.safetensors").write_bytes(b"weights")
    (stage / "backbone" / "generation_config.json").write_text('{"eos_token_id": 2}')
    done = json.loads((stage / "done.json").read_text())
    done["files"] |= {f"backbone/{file.name}": merc.hash_file(file) for file in (stage / "backbone").iterdir()}
    (stage / "done.json").write_text(json.dumps(done))
    packed = merc.pack_run(run, tmp_path / "packed", base=BASE)
    copy = packed / "stages" / "merc" / "backbone" / "generation_config.json"
    assert copy.read_bytes() == (stage / "backbone" / "generation_config.json").read_bytes()


def test_a_folder_of_an_encoder_is_no_name_on_a_hub() -> None:
    assert _each_text({"path": "/home/ann/whisper-small", "tokens": 4}, _named_here) == {
        "path": "./whisper-small",
        "tokens": 4,
    }
    assert _each_text([{"path": "openai/whisper-small"}], _named_here) == [{"path": "openai/whisper-small"}]


def test_a_backbone_in_a_folder_of_the_machine_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(merc.MercError, match=r"is in a folder of this machine \(.*\).*give its name on the model hub"):
        merc.pack_run(trained, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(merc.MercError, match="run is there already"):
        merc.pack_run(trained, tmp_path / "run", base=BASE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"merc run C:\Users\ann\meld.yaml", "merc run meld.yaml"),
        ("{store: /mnt/disk/features, seed: 0}", "{store: features, seed: 0}"),
        ("joy/anger and https://example.org/a/b", "joy/anger and https://example.org/a/b"),
        ("corpus={path: /data/a.jsonl, name: jsonl}", "corpus={path: a.jsonl, name: jsonl}"),
    ],
)
def test_places_become_their_last_names(text: str, said: str) -> None:
    assert nowhere(text) == said
