"""The benchmarks' columns are those of Table 4, over the sets of Table 2."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from merc_emotion_llama.benchmarks import Dfew, MerUniBench, Mmeverse
from merc_emotion_llama.prompters import EmotionLlama

import merc
import merc.testing

NINE = ["MER23", "MER24", "MELD", "IEMOCAP", "MOSI", "MOSEI", "SIMS", "SIMS-v2", "OV-MERD+"]
MORE = ["CAER", "E3", "DFEW", "MAFW", "MAFW-m", "BOLD", "MELD-s", "MC-EIU-i", "MC-EIU"]


def test_columns_and_averages_are_those_of_table_4():
    assert [column.title for column in MerUniBench().columns()] == NINE
    assert [column.title for column in Mmeverse().columns()] == NINE + MORE
    assert MerUniBench().averages() == {"Avg-9": NINE}
    assert Mmeverse().averages() == {"Avg-9": NINE, "Avg-18": NINE + MORE}


def test_samples_of_table_2_sum_to_the_papers_clips():
    """Table 2 states 36,133 clips over the 18 sets."""
    assert sum(column.reported for column in Mmeverse().columns()) == 36_133


def test_sets_are_corpora_that_can_be_imported():
    from merc.registry import get_registry

    pytest.importorskip("merc_corpora")
    assert {column.corpus for column in Mmeverse().columns()} <= set(get_registry().names("corpus"))


def test_what_is_asked_fits_the_prompter():
    for benchmark in (Mmeverse(), Mmeverse(recognise="think"), Mmeverse(recognise="reason")):
        for column in benchmark.columns():
            EmotionLlama(**column.prompter)
            assert (column.prompter["truth"] is None) == (column.prompter["task"] == "reason")


def test_a_hit_rate_never_stands_alone():
    for column in Mmeverse().columns():
        if column.number == "hit_rate":
            assert set(column.beside) >= {"hit_precision", "labels_per_sample"}


def test_a_neutral_answer_is_wrong_and_the_other_reading_stands_below_it():
    for wrong, other in ((MerUniBench(), "negative"), (MerUniBench(neutral_answer="negative"), "wrong")):
        (mosi,) = [column for column in wrong.columns() if column.title == "MOSI"]
        assert {mosi.number, f"weighted_f1_neutral_{other}"} == {
            "weighted_f1_neutral_wrong", "weighted_f1_neutral_negative",
        }  # fmt: skip
        assert f"weighted_f1_neutral_{other}" in mosi.beside


def test_the_published_reading_stands_below_every_number_in_one_row():
    for column in Mmeverse().columns():
        assert column.rows[column.beside[-1]] == "by the reading of affectgpt"


def test_iemocap_is_asked_about_four_classes_and_mafw_m_about_clips_of_both_lists():
    columns = {column.title: column for column in Mmeverse().columns()}
    assert [group[0] for group in columns["IEMOCAP"].classes] == ["happy", "sad", "neutral", "angry"]
    assert "excited" in columns["IEMOCAP"].classes[0]
    assert columns["MAFW-m"].needs == ("label",)


@pytest.mark.parametrize("four", [("happy", "sad", "neutral", "angry"), ("happiness", "sadness", "neutral", "anger")])
def test_frustrated_and_the_rest_of_iemocap_are_context(tmp_path: Path, four: tuple[str, ...]):
    """In the spelling of the corpus that merc reads and of the release."""
    from merc.session.benchmark_sets import Sets, has

    spoken = [*four, "excited", "frustrated", "fear"]
    said = [{"id": f"u{i}", "text": "Oh.", "label": label} for i, label in enumerate(spoken)]
    (tmp_path / "iemocap.jsonl").write_text(json.dumps({"id": "c", "split": "test", "utterances": said}) + "\n")
    (column,) = [column for column in MerUniBench().columns() if column.title == "IEMOCAP"]
    view = Sets(tmp_path, MerUniBench()).view(column)
    asked = [u.label for u in view.conversations[0].utterances if has(u, ("label",))]
    assert asked == [*four, four[0]] and view.labels.labels == four
    assert any("2 of 7 labelled utterances" in note for note in view.notes)


def test_dfew_is_reported_by_emotion_and_by_both_means():
    """The columns of a survey's table, whose recalls are checked against counting."""
    from merc_emotion_llama.recognition import Recalls

    columns = {column.title: column.number for column in Dfew().columns()}
    assert list(columns) == ["Hap", "Sad", "Neu", "Ang", "Sur", "Dis", "Fea", "UAR", "WAR"]
    labels = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
    for seed in range(200):
        rng = random.Random(seed)
        pairs = [(rng.choice(labels[:6]), rng.choice(labels)) for _ in range(40)]
        said = [merc.Prediction(id=f"u{i}", conversation="c", truth=t, label=p) for i, (t, p) in enumerate(pairs)]
        found = Recalls().compute(said, merc.LabelSpace(labels))
        recalls = {}
        for label in dict.fromkeys(truth for truth, _ in pairs):
            own = [given for truth, given in pairs if truth == label]
            recalls[label] = own.count(label) / len(own)
        assert found["recall_fear"] is None
        for label, value in recalls.items():
            assert found[f"recall_{label}"] == pytest.approx(value, abs=1e-9)
        assert found["uar"] == pytest.approx(sum(recalls.values()) / len(recalls), abs=1e-9)
        assert found["war"] == pytest.approx(sum(t == p for t, p in pairs) / 40, abs=1e-9)
        assert set(columns.values()) <= found.keys()


class TestDfew(merc.testing.BenchmarkContract):
    component = Dfew()
    name = "dfew"


class TestMmeverse(merc.testing.BenchmarkContract):
    component = Mmeverse(wheels=Path("wheels"))
    name = "mmeverse"


class TestMerUniBench(merc.testing.BenchmarkContract):
    component = MerUniBench(wheels=Path("wheels"))
    name = "mer-unibench"
