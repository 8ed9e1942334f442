"""Emotion wheels as they are read: the way of a word to a cluster, and every fault of a table."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import openpyxl
import pytest
from merc_emotion_llama.wheels import read_wheels

from merc import MercError


def test_a_word_goes_over_its_form_and_its_synonym_to_the_middle_of_each_wheel(wheels_folder: Path) -> None:
    wheels = read_wheels(wheels_folder)
    assert [wheels.map(["Happiness "], i) for i in range(5)] == [{"happy"}, {"joyful"}, {"calm"}, {"happy"}, {"happy"}]
    # "glad" is no word of most wheels; of its synonyms, happy and joyful, the first by the alphabet stands for it
    assert [wheels.map(["glad"], i) for i in range(5)] == [{"happy"}, {"joyful"}, {"calm"}, {"happy"}, {"happy"}]
    # "mad" means mad and angry; angry comes first by the alphabet where both are on the wheel
    assert [wheels.map(["madly"], i) for i in range(5)] == [{"mad"}, {"sad"}, {"sad"}, {"mad"}, {"mad"}]
    assert [wheels.map(["gloomy"], i) for i in range(5)] == [{"sad"}, {"sad"}, {"sad"}, {"sad"}, set()]


def test_what_no_wheel_knows_is_left_out(wheels_folder: Path) -> None:
    wheels = read_wheels(wheels_folder)
    assert wheels.map(["neutral", "", "happy", "sad"], 0) == {"happy", "sad"}
    assert wheels.knows("Sadness") and not wheels.knows("neutral")
    # known to the table of synonyms, but no surface form: the way begins at the forms
    assert not wheels.knows("serene")
    # a form whose word has no synonym leads nowhere, but another word of the form may
    assert wheels.knows("angry") and not wheels.knows("shared")


def test_all_eight_lists_of_synonyms_count(wheels_folder: Path) -> None:
    # "joyful" is a synonym of "happy" in all lists but the first, and wheel 5 has it below happy
    assert read_wheels(wheels_folder).map(["joy"], 4) == {"happy"}


def test_words_in_a_wheel_are_read_without_their_space_and_case(wheels_folder: Path) -> None:
    wheels = read_wheels(wheels_folder)
    assert {"joyful", "angry", "gloomy"} <= wheels.printed
    assert "person" in wheels.words and "person" not in wheels.printed


def fault(folder: Path) -> str:
    with pytest.raises(MercError) as caught:
        read_wheels(folder)
    return str(caught.value)


def test_a_wheel_that_lacks_a_column_is_one_clear_error(broken_wheels: Path) -> None:
    path = broken_wheels / "wheel3.xlsx"
    book = openpyxl.load_workbook(path)
    book.active["A1"] = "level0"
    book.save(path)
    assert fault(broken_wheels) == (
        f"emotion wheels: {path} lacks the column level1 (its first row has: level0, level2, level3)"
    )


def test_every_fault_is_told_at_once(broken_wheels: Path) -> None:
    (broken_wheels / "wheel1.xlsx").unlink()
    (broken_wheels / "wheel2.xlsx").write_bytes(b"no zip")
    with (broken_wheels / "format.csv").open("w", newline="") as file:
        csv.writer(file).writerow(["word", "format"])
    book = openpyxl.Workbook()
    book.active.append(["level1", "level2", "level3"])
    book.save(broken_wheels / "wheel4.xlsx")
    book.active.append([None, "Angry", None])
    book.save(broken_wheels / "wheel5.xlsx")
    message = fault(broken_wheels)
    assert message.count(";") == 4
    for part in (
        "format.csv lacks the column name (its first row has: word, format)",
        "wheel1.xlsx is not there",
        "wheel2.xlsx is not an xlsx table",
        "wheel4.xlsx has no row below its column names",
        "wheel5.xlsx has no level1 word in its first row",
    ):
        assert part in message


def test_a_synonym_table_that_lacks_a_run_names_its_columns(broken_wheels: Path) -> None:
    path = broken_wheels / "synonym.xlsx"
    book = openpyxl.load_workbook(path)
    book.active.delete_cols(15, 2)
    book.save(path)
    assert "synonym.xlsx lacks the columns word_run8, synonym_run8 (" in fault(broken_wheels)


def test_a_csv_in_another_encoding_is_named(broken_wheels: Path) -> None:
    (broken_wheels / "format.csv").write_bytes(b"name,format\r\nnaiv,na\xefv\r\n")
    assert "format.csv is not a CSV table in UTF-8" in fault(broken_wheels)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert fault(tmp_path / "none").startswith(
        f"emotion wheels: {tmp_path / 'none'} is not a folder; give the one that"
    )


def test_a_table_that_was_changed_is_read_anew(broken_wheels: Path) -> None:
    assert not read_wheels(broken_wheels).knows("zestful")
    path = broken_wheels / "format.csv"
    path.write_text(path.read_text() + "happy,zestful\n")
    os.utime(path, ns=(1, 1))
    assert read_wheels(broken_wheels).knows("zestful")


@pytest.mark.data
def test_the_published_tables_have_the_words_that_their_authors_count(real_wheels: Path) -> None:
    wheels = read_wheels(real_wheels)
    assert len(wheels.words) == 7386
    assert not wheels.knows("neutral")
    assert [wheels.map(["surprise"], i) for i in range(5)] == [
        {"surprised"}, {"surprised"}, {"powerful"}, {"fear"}, set(),
    ]  # fmt: skip
