"""From clips to a released folder, and what is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from merc_annotation.exports import FORMS, export
from merc_annotation.rationale_measures import causal_sufficiency, mean_coverage, overlap
from merc_annotation.records import read_records, without_labels
from merc_annotation.release import Plan, write_release
from merc_annotation.sampling import draw_sample
from merc_annotation.triplet import Triplet

import merc
from tests.media.clips import write_clip


def triplet(label: str, **more: Any) -> str:
    evidence = {"visual": "She smiles.", "audio": "The voice is loud."}
    return Triplet(label=label, steps=("She smiles.", f"So it is {label}."), evidence=evidence, **more).text()


@pytest.fixture
def annotated(tmp_path: Path) -> merc.Annotated:
    """Two conversations with the cues of a corpus, one of whose texts would break a table."""
    (tmp_path / "clips").mkdir()
    clip = write_clip(tmp_path / "clips" / "a.mp4", seconds=1.0)
    lines = [
        {"id": "d0", "split": "train", "dataset": "meld", "utterances": [
            {"id": "d0_u0", "speaker": "Ann", "text": "We | won\n<b>!", "label": "joy", "video": str(clip),
             "cues": {"visual_expression": "She smiles.", "audio_tone": "The voice is loud.",
                      "triplet_x": triplet("joy", intensity=0.7), "description_x": "She smiles, so it is joy.",
                      "peak_frame": json.dumps({"time": 0.4, "frame": 4, "sum": 9.0, "units": {"AU12": 4.5}})}},
            {"id": "d0_u1", "speaker": "Bo", "text": "",
             "cues": {"triplet_x": triplet("anger"), "triplet_y": triplet("joy")}}]},
        {"id": "d1", "split": "test", "utterances": [
            {"id": "d1_u0", "text": "No.", "label": "anger",
             "cues": {"triplet_x": triplet("anger"), "triplet_y": triplet("anger")}}]},
    ]  # fmt: skip
    (tmp_path / "talk.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    recipe = {
        "title": "Small", "corpus": {"name": "jsonl", "path": str(tmp_path / "talk.jsonl")},
        "annotators": {"vote": {"name": "majority-vote", "teachers": ["x", "y"]}},
        "features": {"store": str(tmp_path / "store" / "features")}, "strategy": {"device": "cpu"},
    }  # fmt: skip
    return merc.annotate(recipe, every=True)


def released(annotated: merc.Annotated, folder: Path, **more: Any) -> dict[str, Any]:
    write_release(annotated, Plan(folder=folder, title="Small", about="Made up; CC0.", **more))
    return {record["id"]: record for record in read_records(folder)}


def test_a_record_says_what_is_known_and_from_whom(annotated: merc.Annotated, tmp_path: Path) -> None:
    records = released(annotated, tmp_path / "out")
    first, second, third = (records[name] for name in ("d0_u0", "d0_u1", "d1_u0"))
    assert (first["label"], first["label_source"], first["intensity"]) == ("joy", "corpus", 0.7)
    assert first["rationale"] == ["She smiles.", "So it is joy."] and first["described_by"] == "description_x"
    assert first["uncertain"] is True  # one teacher alone said so
    assert (second["label_source"], second["uncertain"]) == ("consensus (majority)", True)
    assert second["shares"] == {"anger": 0.5, "joy": 0.5} and third["uncertain"] is False
    assert first["quality"]["coverage"] == 1.0 and first["split"] == "train" and third["split"] == "test"


def test_the_folder_is_whole_and_the_same_every_time(annotated: merc.Annotated, tmp_path: Path) -> None:
    released(annotated, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "release.json").read_text())
    assert {"train.jsonl", "test.jsonl", "data.parquet", "README.md", "quality.json", "answers/vote.jsonl"} <= manifest[
        "files"
    ].keys()
    for name, digest in manifest["files"].items():
        assert merc.hash_file(tmp_path / "out" / name) == digest
    released(annotated, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "release.json").read_text()) == manifest
    import pyarrow.parquet as pq

    rows = pq.read_table(tmp_path / "out" / "data.parquet").to_pylist()
    assert [row["id"] for row in rows] == ["d0_u0", "d0_u1", "d1_u0"] and json.loads(rows[0]["evidence"])["audio"]


def test_the_card_is_written_from_what_is_there(annotated: merc.Annotated, tmp_path: Path) -> None:
    released(annotated, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "3 utterances of 2 conversations" in card and "Made up; CC0." in card
    assert "| vote | majority-vote | 1 | none | consensus | no |" in card
    assert "| Cohen's kappa, x and y |" in card and "1 of 3 utterances have no words" in card


def test_test_labels_are_hidden_on_wish(annotated: merc.Annotated, tmp_path: Path) -> None:
    records = released(annotated, tmp_path / "out", hide_test=True)
    assert records["d1_u0"]["label"] is None and records["d1_u0"]["label_source"] == "hidden"
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and path.name not in ("README.md", "quality.json", "release.json", "data.parquet"):
            assert "anger" not in "".join(line for line in path.read_text().splitlines() if "d1_u0" in line), path
    (hidden,) = (json.loads(line) for line in (tmp_path / "out-hidden" / "test.jsonl").read_text().splitlines())
    assert hidden["label"] == "anger"
    assert without_labels(hidden)["triplets"] == {} and without_labels(hidden)["text"] == "No."


def test_media_are_copied_on_wish_and_named_from_the_folder(annotated: merc.Annotated, tmp_path: Path) -> None:
    there = released(annotated, tmp_path / "out")["d0_u0"]["video"]
    assert Path(there).is_absolute()
    copied = released(annotated, tmp_path / "with-media", copy_media=True)["d0_u0"]["video"]
    assert copied.startswith("media/") and (tmp_path / "with-media" / copied).is_file()


def test_people_overrule_teachers(annotated: merc.Annotated, tmp_path: Path) -> None:
    reviews = tmp_path / "out" / "reviews"
    reviews.mkdir(parents=True)
    for rater, label in (("ann", "sadness"), ("bo", "sadness"), ("cy", "joy")):
        review = {"id": "d0_u1", "rater": rater, "answers": {"result": 2, "visual": None}, "label": label}
        (reviews / f"{rater}.jsonl").write_text(json.dumps(review) + "\n")
    records = released(annotated, tmp_path / "out")
    assert (records["d0_u1"]["label"], records["d0_u1"]["label_source"]) == ("sadness", "people")
    assert records["d0_u1"]["quality"]["reviewers"] == 3 and records["d0_u1"]["quality"]["answers"] == {"result": 2.0}
    assert "what people said, label" in json.loads((tmp_path / "out" / "quality.json").read_text())["agreement"]


def test_other_projects_read_their_forms(annotated: merc.Annotated, tmp_path: Path) -> None:
    records = list(released(annotated, tmp_path / "out").values())
    for form in FORMS:
        export(form, tmp_path / form, records)
    info = json.loads((tmp_path / "llama-factory" / "dataset_info.json").read_text())["merc_emotion"]
    rows = json.loads((tmp_path / "llama-factory" / info["file_name"]).read_text())
    for row in rows:  # as its sharegpt converter does: turns alternate, and tags count what stands beside
        roles = [message[info["tags"]["role_tag"]] for message in row[info["columns"]["messages"]]]
        assert roles == ["user", "assistant"]
        assert row["messages"][0]["content"].count("<video>") == len(row[info["columns"]["videos"]])
    swift = [json.loads(line) for line in (tmp_path / "ms-swift" / "ms_swift.jsonl").read_text().splitlines()]
    assert [len(row["videos"]) for row in swift] == [1, 0, 0] and all(row["messages"][1]["content"] for row in swift)
    share = json.loads((tmp_path / "sharegpt" / "sharegpt.json").read_text())
    assert [turn["from"] for turn in share[0]["conversations"]] == ["human", "gpt"]
    merr = json.loads((tmp_path / "merr" / "merr.json").read_text())
    assert merr["a"]["peak_index"] == "4" and merr["a"]["pseu_emotion"] == "joy" and merr["a"]["AU_list"] == ["AU12"]
    assert "Emotion: joy" in merr["a"]["smp_reason_caption"] and merr["a"]["audio_prior_list"] == "The voice is loud."
    with pytest.raises(merc.MercError, match="there is no form 'csv'; the forms are: llama-factory"):
        export("csv", tmp_path, records)


def test_datasets_reads_what_is_released(annotated: merc.Annotated, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    released(annotated, tmp_path / "out")
    table = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "out" / "data.parquet"), cache_dir=str(tmp_path / "cache")
    )
    assert table["train"]["label"] == ["joy", "anger", "anger"]


def test_texts_are_compared_by_the_libraries_own_numbers() -> None:
    same = overlap(["She smiles broadly."], ["She smiles broadly."])
    assert same["rougeL"] == 1.0 and same["bleu"] == pytest.approx(100.0)
    other = overlap(["The cat sat."], ["A dog ran away."])
    assert other["rouge2"] == 0.0 and other["bleu"] < 20


def record(label: str, evidence: dict[str, str]) -> dict[str, Any]:
    return {"label": label, "evidence": evidence, "rationale": ["So."], "clues": {"audio_tone": "loud shouting"}}


def test_sufficiency_is_what_a_reader_still_knows() -> None:
    records = [
        record("joy", {"visual": "a smile", "audio": "loud"}), record("anger", {"visual": "a frown", "audio": "loud"}),
        record("joy", {"visual": "a smile"}),
    ]  # fmt: skip

    def reads_faces(texts: list[str]) -> list[str | None]:
        return ["joy" if "smile" in text else "anger" if "frown" in text else None for text in texts]

    result = causal_sufficiency(records, reads_faces)
    assert (result["records"], result["of"], result["whole"]) == (2, 3, 1.0)
    assert result["modalities"]["visual"] == {"survives": 0.0, "alone": 1.0, "records": 2}
    assert result["modalities"]["audio"] == {"survives": 1.0, "alone": 0.0, "records": 2}
    assert mean_coverage([record("joy", {"audio": "shouting"}), record("joy", {"visual": "a smile"})]) == 0.5


def test_a_sample_has_each_label_and_is_the_same_every_time() -> None:
    records = [{"id": f"{name}{n}", "dataset": name, "label": "joy" if n % 5 else "fear", "uncertain": n == 7}
               for name in ("a", "b") for n in range(20)]  # fmt: skip
    drawn = draw_sample(records, 6, seed=1)
    assert len(drawn) == 12 and drawn == draw_sample(records, 6, seed=1) != draw_sample(records, 6, seed=2)
    for name in ("a", "b"):
        labels = [one["label"] for one in drawn if one["dataset"] == name]
        assert labels.count("fear") == 3
    assert {"a7", "b7"} <= {one["id"] for one in draw_sample(records, 6, seed=1, uncertain_first=True)}
