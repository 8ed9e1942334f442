"""``merc corpus look`` on tables: what it says of them, and the section that it gives to paste."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc import load_recipe
from merc.cli.main import app

TEXT = (
    "Dialog,Name,Sentence,Feeling,Set,Clip,Begin,Ending,Valence,Note\n"
    '0,Ana,You came!,Happy,train,a.mp4,1.0,2.5,0.5,x\n0,Ben,Of course.,neutral,train,a.mp4,"2,6",4,n/a,\n'
    '1,Ana,"Oh, no",HAPPY,val,b.mp4,1,2,-1,y\n1,Ana,hm,"happy ",val,b.mp4,3,4,-1,y\n2,Ana,ja,,test,c.mp4,3,4,-1,y\n'
)
MELD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,StartTime,EndTime\n"


def look(*given: str | Path, code: int = 0) -> str:
    ended = CliRunner().invoke(app, ["corpus", "look", *map(str, given)])
    assert ended.exit_code == code and "Traceback" not in ended.output, ended.output
    return ended.output


def pasted(text: str, folder: Path) -> Path:
    """A recipe of the section that was shown, and nothing else."""
    recipe = folder / "recipe.yaml"
    recipe.write_text(text[text.index("corpus:\n") :].partition("\n\n")[0], encoding="utf-8")
    return recipe


def test_a_table_is_described_counted_and_given_to_paste(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(TEXT)
    (tmp_path / "b.mp4").touch()
    told = look(path)
    for line in (
        f"{path}: a table of 5 rows and 10 columns: values between commas, in utf-8",
        "  Sentence  text             You came!, Of course., Oh, no", "  Note      -                x, y",
        "  labels with space around them, which does not count: 'happy ' (1)", "5 utterances in 3 conversations",
        "  neutral         1    0     0",
        "labels that look alike, and count as different ones: 'HAPPY' (1), 'Happy' (1), 'happy' (1)",
        "video: of 5 of 5 utterances a file is named, and 2 of these are there; the first that is not: "
        f"{tmp_path / 'a.mp4'} is not there",
    ):  # fmt: skip
        assert line in told.splitlines()
    corpus = load_recipe(pasted(told, tmp_path)).config.corpus
    assert dict(corpus["columns"]) == {
        "conversation": "Dialog", "speaker": "Name", "text": "Sentence", "label": "Feeling", "split": "Set",
        "start": "Begin", "end": "Ending", "video": "Clip",
    }  # fmt: skip
    assert dict(corpus["values"]) == {"valence": "Valence"}
    assert dict(load_recipe(tmp_path / "recipe.yaml").config.relabel) == {"Happy": "HAPPY", "happy": "HAPPY"}


@pytest.mark.parametrize(("name", "content"), [
    ("a.csv", TEXT.encode()), ("a.csv", TEXT.replace(",", ";").encode("utf-8-sig")), ("a.csv", TEXT.encode("utf-16")),
    ("a.tsv", TEXT.replace(",", "\t").encode()), ("a b.csv", TEXT.replace("Sentence", "no: #1 ${x}").encode()),
    ("a.csv", "台词,说话人,情绪\n你好，我很高兴,安娜,高兴\n当然好,本,中性\n".encode("gbk")),
    ("a.csv", (MELD + '1,Hi.,Joey,joy,positive,0,0,"00:20:57,256","00:21:00,049"\n').encode()),
    ("a.csv", b"0,Ana,You came!,joy\n1,Ben,Of course not.,fear\n"),
    ("a.json", json.dumps([{"text": "Hi.", "label": 3}, {"text": "Yo.", "label": 0}]).encode()),
    ("a.jsonl", b'{"utterance": "Hi.", "emotion": "joy"}\n{"utterance": "Yo.", "emotion": "fear"}\n'),
])  # fmt: skip
def test_what_is_shown_to_paste_is_valid_and_loads(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    recipe = load_recipe(pasted(look(tmp_path / name), tmp_path))
    assert recipe.corpus.name == "table"
    assert sum(len(talk.utterances) for talk in recipe.corpus.component.load().conversations) >= 1


def test_times_of_an_episode_have_no_role_without_a_film(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(MELD + '1,Hi.,Joey,joy,positive,0,0,"00:20:57,256","00:21:00,049"\n')
    told = look(path)
    assert "times (StartTime, EndTime) have no role, as no column names the film or sound that they are in" in told
    assert "  turn: Utterance_ID" in told and "start:" not in told


def test_numbers_in_the_first_line_are_no_names(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("0,Ana,You came!,joy\n1,Ben,Of course not.,fear\n")
    told = look(path)
    assert "a table of 2 rows and 4 columns" in told and "its first line seems to be a row" in told
    assert "  header:\n  - column 1\n" in told


@pytest.mark.parametrize(("name", "content", "words"), [
    ("a.xlsx", b"PK\x03\x04", "a.xlsx cannot be read as a workbook: File is not a zip file; save it as CSV UTF-8"),
    ("a.csv", b"", "a.csv is empty"),
    ("a.csv", b"text,emotion\n", "a.csv holds no rows under its columns text, emotion"),
    ("a.csv", b"text,emotion\nHi,joy\nOh, no,fear\n", "1 of 2 rows have another number of cells than the first line"),
    ("a.parquet", b"PAR1 and more", "a.parquet cannot be read as Parquet"),
    ("a.pdf", b"%PDF-1.4", "a.pdf seems to be a PDF"),
    ("a.bin", b"\x01\x02", "a.bin is of no form that an installed corpus reads"),
])  # fmt: skip
def test_what_is_no_table_is_said_in_a_sentence(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert words in look(tmp_path / name, code=2)
    assert "is not there. Did you mean" in look(tmp_path / f"{name}x", code=2)


def test_every_file_of_a_mixed_folder_is_counted_and_named(tmp_path: Path) -> None:
    forms = {
        "csv": "text,emotion\nHi.,joy\n", "tsv": "text\temotion\nHi.\tjoy\n",
        "srt": "1\n00:00:01,000 --> 00:00:02,000\nHi.\n", "vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\nHi.\n",
        "json": '[{"text": "Hi.", "label": "joy"}]', "md": "notes",
        "jsonl": '{"id": "d", "utterances": [{"text": "Hi."}]}\n',
        "csv2": "a;b\n1;2\n", "xlsx": "PK\x03\x04", "mp4": "",
    }  # fmt: skip
    for number in range(1000):
        suffix = list(forms)[number % len(forms)]
        file = tmp_path / f"part{number % 7}" / f"{number}.{suffix}"
        file.parent.mkdir(exist_ok=True)
        file.write_text(forms[suffix])
    told = json.loads(look(tmp_path, "--json"))
    named = [name for names in told["files"].values() for name in names]
    assert len(named) == len(set(named)) == 1000
    assert {kind: len(names) for kind, names in told["files"].items()} == {
        "corpus jsonl": 100, "corpus subtitles": 200, "corpus table": 400, "no corpus reads .csv2": 100,
        "no corpus reads .md": 100, "no corpus reads .mp4": 100,
    }  # fmt: skip


def test_a_folder_is_shown_by_kinds_with_their_first_names(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"{number}.csv").write_text("text,emotion\nHi.,joy\n")
    (tmp_path / "notes.md").write_text("x")
    told = look(tmp_path)
    assert f"{tmp_path}: a folder of 8 files" in told and "  no corpus reads .md: 1 (notes.md)" in told
    assert "  corpus table: 7 (0.csv, 1.csv, 2.csv, 3.csv, 4.csv and 2 more)" in told
    assert "a folder with 7 tables, the first of which, 0.csv, is a table of 1 rows" in told
    assert len(load_recipe(pasted(told, tmp_path)).corpus.component.load().conversations) == 7
