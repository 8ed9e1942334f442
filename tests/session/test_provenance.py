from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

import merc
from merc.conversation import Conversation, Utterance
from merc.errors import MercError
from merc.recipe import load_recipe
from merc.session.provenance import Provenance, data_hashes, provenance, record_provenance, record_seconds

TALK = (
    Conversation(id="a", split="train", utterances=(Utterance(id="a0", text="Hm.", label="joy", speaker="Ann"),)),
    Conversation(id="b", split="test", utterances=(Utterance(id="b0", text="Oh!"), Utterance(id="b1", text="No."))),
)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MERC_ALLOW", "env:A_FOLDER")
    monkeypatch.setenv("A_TOKEN", "s3cret-value")
    monkeypatch.setenv("A_FOLDER", "/where-the-data-are")
    (tmp_path / "talk.yaml").write_text(
        "corpus: {name: jsonl, path: '${env:A_FOLDER}/talk.jsonl'}\nseed: 7\n"
        "backbone: {name: hf, path: some/model, revision: v1}\n"
    )
    return load_recipe(str(tmp_path / "talk.yaml"))


def test_it_says_what_a_run_was_made_of(recipe):
    found = provenance(recipe, TALK)
    assert json.loads(json.dumps(found)) == found
    assert {*Provenance.__annotations__} - found.keys() == {"media", "cues", "files", "init_from", "seconds"}
    assert not found.keys() - {*Provenance.__annotations__}
    assert (found["merc"], found["seed"], found["recipe"]) == (merc.__version__, 7, "talk")
    assert found["backbone"] == {"path": "some/model", "revision": "v1"}
    assert found["packages"]["torch"] and found["machine"]["cores"] >= 1
    assert {"name": "merc", "distribution": "merc", "version": merc.__version__} in found["plugins"]
    assert found["data"]["train"]["utterances"] == 1 and found["data"]["test"]["utterances"] == 2


def test_it_holds_no_value_of_the_environment(recipe):
    text = json.dumps(provenance(recipe, TALK))
    assert "s3cret-value" not in text and "where-the-data-are" not in text


def test_the_hash_of_the_data_depends_on_what_a_model_reads():
    def changed(**more) -> dict:
        said = Utterance(**({"id": "a0", "text": "Hm.", "label": "joy", "speaker": "Ann"} | more))
        return data_hashes([Conversation(id="a", split="train", utterances=(said,))])

    same = changed()
    assert same == data_hashes(TALK[:1]) == changed(origin="elsewhere, line 3")
    assert (
        len(
            {json.dumps(changed(**{name: "other"})) for name in ("id", "text", "label", "speaker")} | {json.dumps(same)}
        )
        == 5
    )
    assert set(data_hashes(TALK)) == {"train", "test"}
    learned = [
        {"values": {"arousal": 0.5}},
        {"values": {"arousal": 0.6}},
        {"extra": {"chosen": "Glad.", "rejected": "Sad."}},
        {"extra": {"chosen": "Sad.", "rejected": "Glad."}},
        {"cues": {"face": "a smile"}},
        {"valence": 0.5},
        {"open_labels": ("glad",)},
    ]
    assert len({json.dumps(changed(**more)) for more in learned} | {json.dumps(same)}) == 8
    assert data_hashes([replace(TALK[0], dataset="meld")]) != same != data_hashes([replace(TALK[0], extra={"day": 1})])
    assert changed(extra={"a": 1, "b": {"y", "x"}}) == changed(extra={"b": {"x", "y"}, "a": 1})


def test_a_run_of_an_earlier_merc_is_compared_by_its_own_hash(recipe, tmp_path: Path):
    file = tmp_path / "provenance.json"
    record_provenance(file, recipe, TALK)
    whole = json.loads(file.read_text())
    assert {one["version"] for one in whole["data"].values()} == {2}
    with_values = [replace(c, utterances=tuple(replace(u, values={"v": 1.0}) for u in c.utterances)) for c in TALK]
    with pytest.raises(MercError, match="split train, test has other conversations, texts, labels, cues or other"):
        record_provenance(file, recipe, with_values)
    # The hash of version 1, as it was always made.
    told = [["b", [["b0", None, "Oh!", None], ["b1", None, "No.", None]]]]
    sha256 = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    before = {"test": {"conversations": 1, "utterances": 2, "sha256": sha256}}
    file.write_text(json.dumps({**whole, "data": before}))
    record_provenance(file, recipe, with_values[1:])
    assert json.loads(file.read_text())["data"] == before
    changed = replace(TALK[1], utterances=TALK[1].utterances[::-1])
    with pytest.raises(MercError, match="split test has other"):
        record_provenance(file, recipe, [changed])


def test_a_resumed_run_keeps_its_beginning(recipe, tmp_path: Path):
    file = tmp_path / "provenance.json"
    record_provenance(file, recipe, TALK)
    first = json.loads(file.read_text())
    assert first["resumed"] == []
    file.write_text(json.dumps({**first, "python": "3.0.0"}))
    record_provenance(file, recipe, TALK)
    record_seconds(file, 1.23)
    second = json.loads(file.read_text())
    (again,) = second["resumed"]
    assert (second["python"], again["python"]) == ("3.0.0", first["python"])
    assert "platform" not in again and again["started"] >= first["started"]
    assert (second["started"], second["seconds"]) == (first["started"], 1.2)


def test_a_resumed_run_wants_the_data_that_it_began_with(recipe, tmp_path: Path):
    file = tmp_path / "provenance.json"
    record_provenance(file, recipe, TALK)
    before = file.read_text()
    with pytest.raises(MercError, match=r"the data of .* have changed since the run began: split test has other"):
        record_provenance(file, recipe, TALK[:1])
    assert file.read_text() == before


def test_a_resumed_run_wants_the_files_that_its_components_read(recipe, tmp_path: Path):
    """Those of stages that are done are not looked at again, and a run of an earlier merc has no hashes of any."""
    file, teacher = tmp_path / "provenance.json", {"stages.a.trainer": {"teacher.jsonl": "12"}}
    record_provenance(file, recipe, TALK, files=teacher)
    record_provenance(file, recipe, TALK, files=teacher)
    record_provenance(file, recipe, TALK, files={})
    assert json.loads(file.read_text())["files"] == teacher
    for other in ("34", None):
        with pytest.raises(MercError, match=r"files that the run .* changed .*: teacher\.jsonl \(stages\.a\.trainer\)"):
            record_provenance(file, recipe, TALK, files={"stages.a.trainer": {"teacher.jsonl": other}})
    earlier = {name: value for name, value in json.loads(file.read_text()).items() if name != "files"}
    file.write_text(json.dumps(earlier))
    record_provenance(file, recipe, TALK, files=teacher)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"data": 3}', "{}", '{"data": {"train": 1}, "cues": [1]}', '{"data": ' + "9" * 5000 + "}"],
)
def test_a_damaged_one_says_what_to_do(recipe, tmp_path: Path, content: str):
    file = tmp_path / "provenance.json"
    record_provenance(file, recipe, TALK)
    whole = file.read_text()
    file.write_text(content)
    with pytest.raises(MercError, match=r"provenance\.json is damaged: .*; bring it back, or take it aw") as told:
        record_provenance(file, recipe, TALK)
    assert str(file) in str(told.value)
    file.unlink()  # the advice works
    record_provenance(file, recipe, TALK)
    assert json.loads(file.read_text())["data"] == json.loads(whole)["data"]


def test_a_value_of_the_environment_hides_nothing_that_is_not_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("MERC_ALLOW", "env:A_YEAR")
    monkeypatch.setenv("A_YEAR", "2026")
    (tmp_path / "talk.yaml").write_text(
        "corpus: {name: jsonl, path: a.jsonl}\nbackbone: {name: hf, path: 'some/model-${env:A_YEAR}'}\n"
    )
    found = provenance(load_recipe(str(tmp_path / "talk.yaml")), TALK)
    assert found["backbone"]["path"] == "some/model-${env:A_YEAR}"
    assert "${env" not in found["started"] + json.dumps(found["data"]) + found["platform"]
