"""People's own tables: every form, every role, and what is said of what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merc_corpora.table.corpus import TableCorpus

import merc.testing
from merc import CorpusData, MercError

TEXT = 'dialogue,turn,who,text,emotion\n0,1,Ben,Of course.,neutral\n0,0,Ana,You came!,joy\n1,0,Ana,"Oh, no",\n'
COLUMNS = {"conversation": "dialogue", "turn": "turn", "speaker": "who", "text": "text", "label": "emotion"}
ROWS: list[dict[str, Any]] = [
    {"dialogue": 0, "turn": 1, "who": "Ben", "text": "Of course.", "emotion": "neutral"},
    {"dialogue": 0, "turn": 0, "who": "Ana", "text": "You came!", "emotion": "joy"},
    {"dialogue": 1, "turn": 0, "who": "Ana", "text": "Oh, no", "emotion": None},
]
READ = [
    ("0", "0_u0", "Ana", "You came!", "joy"), ("0", "0_u1", "Ben", "Of course.", "neutral"),
    ("1", "1_u0", "Ana", "Oh, no", None),
]  # fmt: skip


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def load(path: Path, columns: dict[str, str] | None = None, **given: Any) -> CorpusData:
    return TableCorpus(path=path, columns=COLUMNS if columns is None else columns, **given).load()


def utterances(data: CorpusData) -> list[tuple[Any, ...]]:
    return [(c.id, u.id, u.speaker, u.text, u.label) for c in data.conversations for u in c.utterances]


def fault(path: Path, columns: dict[str, str] | None = None, **given: Any) -> str:
    with pytest.raises(MercError) as caught:
        load(path, columns, **given)
    told = str(caught.value)
    assert path.name in told and len(told.splitlines()) <= 6
    return told


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize(("name", "content"), [
    ("a.csv", TEXT), ("a.csv", TEXT.replace("\n", "\r\n")), ("a.csv", b"\xef\xbb\xbf" + TEXT.encode()),
    ("a.csv", "sep=,\n" + TEXT), ("a.csv", TEXT.replace("emotion\n", " emotion \n")),
    ("a.csv", TEXT + ",,,,\n\n"), ("a.csv", TEXT.replace("0,1,", "0.0,1.0,").replace("1,0,", "1.0,0.0,")),
    ("a.tsv", TEXT.replace(",", "\t").replace('"Oh\t no"', "Oh, no")),
    ("a.csv", TEXT.replace(",", ";").replace('"Oh; no"', "Oh, no")),
    ("a.txt", TEXT.replace(",", "|").replace('"Oh| no"', "Oh, no")),
    ("a.json", json.dumps(ROWS)), ("a.json", json.dumps(ROWS, indent=1)),
    ("a.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS)),
    ("a.json", json.dumps(ROWS).replace("null", "NaN")),
])  # fmt: skip
def test_every_form_of_a_table_gives_the_same(tmp_path: Path, name: str, content: str | bytes) -> None:
    assert utterances(load(write(tmp_path / name, content))) == READ


def test_parquet_is_a_table_too_and_numbers_of_classes_have_names(tmp_path: Path) -> None:
    assert utterances(load(parquet(tmp_path / "a.parquet", ROWS))) == READ
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    classes = {"emotion": {"names": ["joy", "neutral"], "_type": "ClassLabel"}}
    table = pa.Table.from_pylist(
        [{**row, "emotion": int(row["emotion"] == "neutral"), "clip": {"bytes": b""}} for row in ROWS]
    )
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": classes}})})
    pq.write_table(table, tmp_path / "b.parquet")
    data = load(tmp_path / "b.parquet")
    assert [one[4] for one in utterances(data)] == ["joy", "neutral", "joy"]
    assert any("numbers of emotion are names of classes" in note for note in data.notes)
    assert any("are no texts or numbers were left out: clip" in note for note in data.notes)


def test_the_first_sheet_of_a_workbook_is_a_table(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Talks"
    header = ("dialog", "who", "line", "emotion", None)
    lines = [header, (), (3, "Ana", "You came!", "joy", None), (3, "Ben", "=1+1", "", None)]
    for line in lines:
        sheet.append(line)
    book.create_sheet("Notes").append(("kept", "for later"))
    book.save(tmp_path / "talks.xlsx")
    columns = {"conversation": "dialog", "speaker": "who", "text": "line", "label": "emotion"}
    data = TableCorpus(path=tmp_path / "talks.xlsx", columns=columns).load()
    (talk,) = data.conversations
    assert talk.id == "3" and [(u.speaker, u.text, u.label) for u in talk.utterances] == [
        ("Ana", "You came!", "joy"), ("Ben", "", None),
    ]  # fmt: skip
    assert talk.utterances[0].origin.endswith("talks.xlsx, row 3")
    assert any("its first sheet, 'Talks', is read; the others are not: Notes" in note for note in data.notes)
    recognised = TableCorpus.recognise(tmp_path / "talks.xlsx")
    assert recognised is not None and recognised.parameters["columns"] == columns
    assert "an Excel workbook, sheet 'Talks'" in recognised.what


@pytest.mark.parametrize(("encoding", "words"), [
    ("utf-16", "You came — à la!"), ("gbk", "你好，我很高兴。"), ("cp1252", "It’s a café"),
    ("big5", "你好，我很高興。"), ("cp1251", "Привет, как дела"), ("shift_jis", "こんにちは、元気ですか"),
])  # fmt: skip
def test_an_encoding_is_named_and_an_error_proposes_it(tmp_path: Path, encoding: str, words: str) -> None:
    path = write(tmp_path / "a.csv", TEXT.replace("You came!", f'"{words}"').encode(encoding))
    told = fault(path)
    assert "the text is not in utf-8" in told and f"encoding: {encoding}" in told
    assert load(path, encoding=encoding).conversations[0].utterances[0].text == words


def test_splits_media_times_numbers_and_what_has_no_role(tmp_path: Path) -> None:
    table = (
        "d,text,set,clip,from,to,valence,note\n"
        'a,Hi.,TRAIN,a.mp4,"1,5",00:00:02.5,"0,25",x\nb,Yo.,valid,gone.mp4,,,n/a,\n'
    )
    write(tmp_path / "clips" / "a.mp4", b"")
    columns = {
        "conversation": "d",
        "text": "text",
        "split": "set",
        "video": "clips/{clip}",
        "start": "from",
        "end": "to",
    }
    data = load(write(tmp_path / "a.csv", table), columns, values={"valence": "valence"})
    first, second = (talk.utterances[0] for talk in data.conversations)
    assert [talk.split for talk in data.conversations] == ["train", "dev"]
    assert (first.start, first.end, first.values, first.extra) == (1.5, 2.5, {"valence": 0.25}, {"row": {"note": "x"}})
    assert first.video == tmp_path / "clips" / "a.mp4" and "video" not in first.missing
    assert (second.start, second.values, second.extra) == (None, {}, {})
    assert second.missing["video"].endswith("gone.mp4 is not there")
    assert "columns without a role, kept in extra under 'row': note" in data.notes
    assert any("1 of 2 utterances names a file for video that is not there" in note for note in data.notes)
    (moved,) = load(tmp_path / "a.csv", {**columns, "video": "clip"}, media_root=tmp_path / "clips").split("train")
    assert moved.utterances[0].video == first.video
    (short,) = load(write(tmp_path / "b.csv", "d,text,s,e,v\na,Hi.,1500,2500,a.mp4\n"),
                    {"conversation": "d", "text": "text", "start": "s", "end": "e", "video": "v"},
                    times="milliseconds").conversations  # fmt: skip
    assert (short.utterances[0].start, short.utterances[0].end) == (1.5, 2.5)


def test_what_a_conversation_is_may_be_a_template_a_row_or_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "talk.csv", "season,scene,text\n1,2.0,Hi.\n1,3.0,Yo.\n1,2.0,So.\n")

    def ids(**how: Any) -> list[str]:
        return [one[1] for one in utterances(load(path, {"text": "text", **how.pop("columns", {})}, **how))]

    assert ids(columns={"conversation": "{season}_{scene}"}) == ["1_2_u0", "1_2_u1", "1_3_u0"]
    assert ids(one_conversation="row") == ["talk_1_u0", "talk_2_u0", "talk_3_u0"]
    assert ids(one_conversation="file") == ["talk_u0", "talk_u1", "talk_u2"]
    data = load(path, {"text": "text"}, one_conversation="row")
    assert any("no utterance has context" in note for note in data.notes)


def test_files_may_be_several_a_folder_or_given_to_splits(tmp_path: Path) -> None:
    for name in ("train/a.csv", "test/a.csv", "test/deep/b.csv"):
        write(tmp_path / name, "text,emotion\nHi.,joy\n")
    write(tmp_path / "test" / "notes.md", "x")
    columns = {"text": "text", "label": "emotion"}
    paths = {"train": tmp_path / "train" / "a.csv", "test": tmp_path / "test"}
    data = TableCorpus(path=paths, columns=columns, one_conversation="row").load()
    assert [(c.split, c.id) for c in data.conversations] == [
        ("train", "train_a_1"),
        ("test", "test_a_1"),
        ("test", "test_b_1"),
    ]
    assert any("1 of 3 files are no tables by their names, and are not read: notes.md" in note for note in data.notes)


def test_headers_and_quotes_may_be_lacking(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", '0\t"Hi\tx\n1\tYo.\ty\n')
    data = load(path, {"conversation": "d", "text": "t"}, header=("d", "t", "e"), quoted=False)
    assert [one[3] for one in utterances(data)] == ['"Hi', "Yo."]
    assert "is a quote not closed" in fault(path, {"conversation": "d", "text": "t"}, header=("d", "t", "e"))
    many = write(tmp_path / "b.csv", "text,text,\nHi.,x,\n")
    data = load(many, {"text": "text"}, one_conversation="row")
    assert data.conversations[0].utterances[0].extra == {"row": {"text (2)": "x"}}
    notes = "\n".join(data.notes)
    assert (
        "stands twice; the later one is called 'text (2)'" in notes
        and "without anything in them were left out: 1" in notes
    )


def test_labels_are_not_needed(tmp_path: Path) -> None:
    data = load(write(tmp_path / "a.csv", TEXT), {"conversation": "dialogue", "text": "text"})
    assert {one[4] for one in utterances(data)} == {None}
    with pytest.raises(MercError, match="no labels are known"):
        data.label_space()


@pytest.mark.parametrize(("columns", "given", "words"), [
    ({**COLUMNS, "label": "Emotions"}, {}, "lacks the column 'Emotions' (for label; did you mean 'emotion'?)"),
    ({**COLUMNS, "label": "xyz"}, {}, "(values between commas, in utf-8) are: dialogue, turn, who, text, emotion"),
    ({**COLUMNS, "video": "{clip}.mp4"}, {}, "lacks the column 'clip' (for video)"),
    ({**COLUMNS, "turn": "text", "speaker": "who"}, {"_text": "words"}, "3 of 3 cells of 'text' (turn) are no numbers"),
    ({**COLUMNS, "start": "label"}, {"_start": True}, "2 of 3 cells of 'label' (start) are no times"),
    ({**COLUMNS, "split": "w"}, {"_split": True}, "3 of 3 cells of 'w' (split) are none of train, training, dev"),
    (COLUMNS, {"values": {"v": "v"}}, "1 of 3 cells of 'v' (v) are no numbers; the first:"),
    ({"conversation": "dialogue", "id": "turn", "text": "text"}, {}, "map it to 'turn' where it counts within"),
])  # fmt: skip
def test_cells_and_columns_that_cannot_be_are_counted_and_named(
    tmp_path: Path, columns: dict[str, str], given: dict[str, Any], words: str
) -> None:
    text = TEXT
    if given.pop("_text", None):
        columns = {"conversation": "dialogue", "turn": "text", "text": "who"}
    if given.pop("_start", None):
        columns, text = {**COLUMNS, "label": "emotion", "start": "label"}, TEXT.replace("emotion", "emotion,label")
        text = "\n".join(line + (",soon" if i in (1, 2) else ",") for i, line in enumerate(text.splitlines()) if line)
        text = text.replace("emotion,label,", "emotion,label") + "\n"
    if given.pop("_split", None):
        columns, text = {"conversation": "dialogue", "text": "text", "split": "who"}, TEXT.replace("who", "w")
        columns["split"] = "w"
    if "values" in given:
        lines = TEXT.splitlines()
        text = "\n".join([lines[0] + ",v", lines[1] + ",1", lines[2] + ",high", lines[3] + ","]) + "\n"
    if columns.get("id") == "turn":
        text = "dialogue,turn,text\n" + "".join(f"{d},{t},Hi.\n" for d in range(3) for t in range(2))
    assert words in fault(write(tmp_path / "a.csv", text), columns, **given)


@pytest.mark.parametrize(("content", "words"), [
    ("", "is empty"), ("dialogue,text\n", "holds no rows under its columns dialogue, text"),
    (TEXT + "2,0,Ana,one,two,three\n", "1 of 4 rows have another number of cells than the first line, the first: "),
    (TEXT + ",0,Ana,Hi.,joy\n", "1 of 4 rows name no conversation"),
    (TEXT + "0,0,Ana,Hi.,joy\n", "1 of 4 cells of 'turn' (turn) stand twice in a conversation"),
    (TEXT + "2,0,Ana,Hi \x1b[2J,joy\n", "text holds a control character (\\u001b)"),
    (TEXT + '2,0,Ana,"' + "Hi. " * 4000 + '",joy\n', "is a quote not closed?"),
    (b"PK\x03\x04", "cannot be read as a workbook"),
    (b"\xd0\xcf\x11\xe0old", "is a workbook of the older kind (.xls)"), (b"PAR1nonsense", "cannot be read as Parquet"),
    ('[{"a": 1}, 2]', "element 2: no object"), ('[{"a": 1},', "line 1: not JSON"),
    ('{"a": 1}\n{"b"', "line 2: not JSON"),
    ("dialogue,turn,who,text,emotion\n0,0,Ana,,joy\n", None),
])  # fmt: skip
def test_a_file_that_is_no_table_is_told_in_a_few_lines(
    tmp_path: Path, content: str | bytes, words: str | None
) -> None:
    path = write(tmp_path / "a.csv" if not str(content).startswith(("[", "{")) else tmp_path / "a.json", content)
    if words is None:
        assert any("1 of 1 utterances has an empty text" in note for note in load(path).notes)
    else:
        assert words in fault(path)


@pytest.mark.parametrize(("given", "words"), [
    ({"columns": {"txt": "a", "text": "b"}}, "nothing of an utterance is called 'txt'. Did you mean 'text'?"),
    ({"columns": {"label": "a"}}, "columns: 'text' is lacking"),
    ({"columns": {"text": "a"}}, "columns: no 'conversation'; map it, or write one_conversation: row"),
    ({"columns": {"text": "a", "label": "a", "conversation": "b"}}, "'text' and 'label' are both the column 'a'"),
    ({"columns": {"text": "a", "conversation": "b"}, "values": {"v": "a"}}, "'text' and 'v' are both the column 'a'"),
    ({"delimiter": ";;"}, "delimiter is one character"), ({"encoding": "x"}, "there is none called 'x'"),
    ({"path": {"trn": "a"}}, "unknown split 'trn'"),
])  # fmt: skip
def test_parameters_that_cannot_be_are_an_error(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        TableCorpus(**{"path": "a.csv", **given})
    assert words in str(caught.value)


def test_without_a_mapping_the_guess_is_shown_to_paste(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TEXT.replace("who", "Name"))
    with pytest.raises(MercError) as caught:
        TableCorpus(path=path).load()
    lines = str(caught.value).splitlines()
    assert f"run merc corpus look {path}" in lines[0]
    assert lines[1] == "  columns: {conversation: dialogue, turn: turn, speaker: Name, text: text, label: emotion}"


CELLS = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\u2028\u2029\ufeff"), max_size=20)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 3), CELLS, CELLS), min_size=1, max_size=8))
def test_what_is_written_as_csv_is_what_is_read(rows: list[tuple[int, str, str]], tmp_path_factory: Any) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["talk", "words", "more"])
        writer.writerows(rows)
    read = [
        u
        for c in load(path, {"conversation": "talk", "text": "words"}, delimiter=",").conversations
        for u in c.utterances
    ]
    expected = sorted(rows, key=lambda row: [one[0] for one in rows].index(row[0]))
    assert [(u.text, u.extra.get("row", {}).get("more", "")) for u in read] == [
        (words.strip(), more) for _, words, more in expected
    ]


class TestTable(merc.testing.CorpusContract):
    component = TableCorpus(path="talks.csv", columns={**COLUMNS, "split": "split"})

    @pytest.fixture(autouse=True)
    def table(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = ["dialogue,turn,who,text,emotion,split"]
        lines += [
            f"{d},{t},Ana,Hi {d} {t}.,{('joy', 'fear')[t]},{s}" for d, s in enumerate(("train", "test")) for t in (0, 1)
        ]
        write(tmp_path / "talks.csv", "\n".join(lines) + "\n")
        monkeypatch.chdir(tmp_path)
