"""The benchmarks' columns are those of Table 4, over the sets of Table 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from merc_emotion_llama.prompters import EmotionLlama
from merc_emotion_llama.suites import MerUniBench, Mmeverse

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
    assert sum(column.stated for column in Mmeverse().columns()) == 36_133


def test_sets_are_corpora_that_can_be_imported():
    from merc.registry import get_registry

    pytest.importorskip("merc_corpora")
    assert {column.corpus for column in Mmeverse().columns()} <= set(get_registry().names("corpus"))


def test_what_is_asked_fits_the_prompter():
    for suite in (Mmeverse(), Mmeverse(recognise="think")):
        for column in suite.columns():
            EmotionLlama(**column.prompter)
            assert column.prompter["truth"] in ("label", "labels", "open_labels")


def test_a_hit_rate_never_stands_alone():
    for column in Mmeverse().columns():
        if column.number == "hit_rate":
            assert set(column.beside) >= {"hit_precision", "labels_per_sample"}


def test_both_sentiment_scores_can_stand_in_the_table():
    numbers = {c.title: c.number for c in MerUniBench(neutral_answer="wrong").columns()}
    assert numbers["MOSI"] == "weighted_f1_neutral_wrong"
    assert {c.title: c.number for c in MerUniBench().columns()}["MOSI"] == "weighted_f1_neutral_negative"


class TestMmeverse(merc.testing.SuiteContract):
    component = Mmeverse(wheels=Path("wheels"))
    name = "mmeverse"


class TestMerUniBench(merc.testing.SuiteContract):
    component = MerUniBench(wheels=Path("wheels"))
    name = "mer-unibench"
