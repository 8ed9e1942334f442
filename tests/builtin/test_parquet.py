"""The corpus ``parquet``: the conversations of ``jsonl``, an utterance a row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc import Conversation, CorpusData, MercError, Utterance
from merc.builtin.parquet import ParquetCorpus, write_parquet
from tests.builtin.test_jsonl import made


def table(folder: Path, *rows: dict, name: str = "talk.parquet") -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / name)
    return folder / name


def load(path: Path) -> CorpusData:
    return ParquetCorpus(path=str(path)).load()


def fault(path: Path) -> str:
    with pytest.raises(MercError) as caught:
        load(path)
    return str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.lists(made, min_size=1, max_size=4, unique_by=lambda u: u.id), st.sampled_from([None, "train", "test"]))
def test_what_is_written_is_read_again(tmp_path_factory, said, split) -> None:
    folder = tmp_path_factory.getbasetemp() / "round"
    folder.mkdir(exist_ok=True)
    (folder / "here.mp4").touch()
    (folder / "here.wav").touch()
    said = [replace(u, video=u.video and folder / u.video, audio=u.audio and folder / u.audio) for u in said]
    talks = [
        Conversation(id="c", split=split, utterances=tuple(said), extra={"place": "cafe"}),
        Conversation(id="d", utterances=(Utterance(id="another one", text=""),)),
    ]
    if any(u.id == "another one" for u in said):
        talks.pop()
    write_parquet(folder / "t.parquet", talks)
    assert load(folder / "t.parquet").conversations == talks


def test_columns_are_fields_with_types_that_any_reader_knows(tmp_path: Path) -> None:
    more = {"labels": ["anger", "disgust"], "sentiment": "negative", "intention": "wishing", "season": 3}
    said = Utterance(
        id="u", text="No!", label="anger", valence=-1.5, video=tmp_path / "u.mp4", cues={"audio_tone": "loud"},
        open_labels=("furious",), values={"arousal": 0.5, "tags": ("fear",)}, extra=more,
    )  # fmt: skip
    write_parquet(tmp_path / "t.parquet", [Conversation(id="c", split="test", utterances=(said,))])
    (row,) = pq.read_table(tmp_path / "t.parquet").to_pylist(maps_as_pydicts="strict")
    assert {key: value for key, value in row.items() if value is not None} == {
        "conversation": "c", "split": "test", "id": "u", "text": "No!", "label": "anger",
        "labels": ["anger", "disgust"],
        "sentiment": "negative", "intention": "wishing", "video": "u.mp4", "valence": -1.5, "open_labels": ["furious"],
        "values": '{"arousal": 0.5, "tags": ["fear"]}',
        "cues": {"audio_tone": "loud"}, "extra": '{"season": 3}',
    }  # fmt: skip


@pytest.mark.parametrize("column", [
    ['{"arousal": 1, "tags": ["joy"]}', None],
    [{"arousal": 1, "tags": ["joy"]}, {"arousal": None, "tags": None}],
])  # fmt: skip
def test_values_may_be_json_or_a_struct(tmp_path: Path, column: list) -> None:
    said = load(table(tmp_path, *({"id": f"u{i}", "text": "Hi.", "values": one} for i, one in enumerate(column))))
    first, second = (c.utterances[0] for c in said.conversations)
    assert first.values == {"arousal": 1.0, "tags": ("joy",)} and second.values == {}


@pytest.mark.parametrize(("value", "message"), [
    ('{"arousal": 1e999}', "'values': not JSON: 1e999 is no number there"),
    ("[1]", "'values' must hold a JSON object, not '[1]'"),
    ('{"arousal": "x"}', 'values.arousal must be a number or a list of texts, not "x"'),
])  # fmt: skip
def test_values_that_are_none_name_file_and_row(tmp_path: Path, value: str, message: str) -> None:
    path = table(tmp_path, {"id": "a", "text": "Hi.", "values": None}, {"id": "b", "text": "Yo.", "values": value})
    assert f"{path}, row 2: " in fault(path) and message in fault(path)


def test_a_table_of_others_needs_only_an_id_and_a_text(tmp_path: Path) -> None:
    rows = [{"id": "a", "text": "Hi.", "label": "joy", "split": "dev"}, {"id": "b", "text": "Yo.", "score": 2}]
    data = load(table(tmp_path, *({"score": None, "label": None, "split": None, **row} for row in rows)))
    assert [(c.id, c.split, c.utterances[0].label) for c in data.conversations] == [
        ("a", "dev", "joy"),
        ("b", None, None),
    ]
    assert data.conversations[1].utterances[0].extra == {"score": 2}
    assert data.conversations[1].utterances[0].origin == f"{tmp_path / 'talk.parquet'}, row 2"
    assert data.notes == ("fields that merc does not know were kept in extra: score (1)",)


def test_faults_name_file_and_row(tmp_path: Path) -> None:
    good = {"conversation": "c", "id": "a", "text": "Hi.", "split": "train", "start": 0.0, "end": 1.0, "extra": None}
    path = table(
        tmp_path, good, {**good, "id": "b", "start": 2.0}, {**good, "conversation": "d", "id": "a"},
        {**good, "conversation": "e", "id": "x", "extra": "[1]"},
        {**good, "conversation": "f", "id": "y", "split": "val"},
        {**good, "conversation": "g", "id": "z"}, {**good, "conversation": "g", "id": "w", "split": "dev"},
        {**good, "conversation": "h", "id": "v", "extra": '{"text": "Yo."}'},
    )  # fmt: skip
    text = fault(path)
    assert text.startswith("6 faults in 6 of 6 conversations:")
    for told in (
        f"{path}, row 1: utterance 'b': 'end' (1) must be greater than 'start' (2)",
        f"{path}, row 3: utterance 'a': the utterance id 'a' is taken already ({path}, row 1)",
        f"{path}, row 4: 'extra' must hold a JSON object, not '[1]'",
        f"{path}, row 5: 'split' is 'val'; it must be one of train, dev, test",
        f"{path}, row 6: the rows of conversation 'g' name several splits: dev, train",
        "and 1 more",
    ):
        assert told in text


def test_a_conversation_of_another_type_is_named_by_its_column(tmp_path: Path) -> None:
    path = table(tmp_path, {"conversation": 7, "text": "Hi."})
    assert f"{path}, row 1: 'conversation' must be a text, not 7" in fault(path)


def test_values_that_cannot_be_used_name_file_and_row(tmp_path: Path) -> None:
    good = {"id": "a", "text": "Hi.", "valence": 0.5, "mine": 1.0, "extra": None}
    path = table(
        tmp_path, good, {**good, "id": "b", "valence": float("nan")}, {**good, "id": "c", "mine": float("inf")},
        {**good, "id": "d", "extra": '{"text": NaN}'}, {**good, "id": "e\x1b[2J"},
    )  # fmt: skip
    text = fault(path)
    for told in (
        "5 faults in 4 of 5 conversations:",
        f"{path}, row 2: utterance 'b': 'valence' must be a finite number, not nan; leave it empty",
        f"{path}, row 3: utterance 'c': 'mine' must be a finite number, not inf",
        f"{path}, row 4: 'extra': not JSON: NaN is no number there",
        "row 5: 'id' holds a control character (\\u001b); take it out",
    ):
        assert told in text
    assert "\x1b" not in text
    half = table(tmp_path, {**good, "extra": '{"told": "Hi \\ud83d"}'})
    assert f"{half}, row 1: utterance 'a': 'told' holds half a character (\\ud83d)" in fault(half)


def test_rows_of_a_conversation_may_stand_apart_and_ids_begin_anew_in_each_split(tmp_path: Path) -> None:
    def row(talk: str, split: str, text: str) -> dict:
        return {"conversation": talk, "split": split, "text": text}

    data = load(table(
        tmp_path, row("a", "train", "1"), row("b", "train", "2"), row("a", "train", "3"), row("c", "train", "4"),
        row("a", "test", "5"), row("b", "train", "6"), row("a", "test", "7"),
    ))  # fmt: skip
    assert [(c.id, [(u.id, u.text) for u in c.utterances]) for c in data.conversations] == [
        ("train_a", [("train_a_u0", "1"), ("train_a_u1", "3")]),
        ("train_b", [("train_b_u0", "2"), ("train_b_u1", "6")]),
        ("train_c", [("train_c_u0", "4")]),
        ("test_a", [("test_a_u0", "5"), ("test_a_u1", "7")]),
    ]
    assert "talk.parquet: the rows of 3 of 4 conversations do not all stand one below the other" in data.notes[0]
    assert "1 of 3 conversation ids stand in several splits (a)" in data.notes[1]


def test_files_that_are_no_such_table(tmp_path: Path) -> None:
    told = fault(table(tmp_path, {"id": "a", "words": "Hi."}))
    assert "lacks the column 'text'; its columns are id, words; run merc corpus look " in told
    assert "lacks the column 'id'" in fault(table(tmp_path, {"text": "Hi."}))
    misspelled = table(tmp_path, {"text": "Hi.", "id": "a", "vidoe": "a.mp4"})
    assert "unknown field 'vidoe'. Did you mean 'video'?" in fault(misspelled)
    assert "the column 'text' holds binary; texts, numbers" in fault(table(tmp_path, {"id": "a", "text": b"Hi."}))
    (tmp_path / "no.parquet").write_text("id,text")
    text = fault(tmp_path / "no.parquet")
    assert f"{tmp_path / 'no.parquet'} cannot be read as Parquet: " in text
    assert "it seems to be a table (columns id, text, between commas)" in text
    assert "talk.parquet is not there" in fault(tmp_path / "none" / "talk.parquet")
    assert "is a folder; give the Parquet file" in fault(tmp_path)
    pq.write_table(
        pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())}), tmp_path / "e.parquet"
    )
    assert "e.parquet is empty" in fault(tmp_path / "e.parquet")
    with pytest.raises(MercError, match="conversation 'c' has no utterance"):
        write_parquet(tmp_path / "t.parquet", [Conversation(id="c", utterances=())])
    assert not (tmp_path / "t.parquet").exists()
