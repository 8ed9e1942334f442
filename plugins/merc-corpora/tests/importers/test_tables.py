from pathlib import Path

import pytest
from merc_corpora.importers.clips import Clips, Reported
from merc_corpora.importers.tables import Row, read_csv, read_text

from merc import MercError


def table(folder: Path, content: str | bytes) -> Path:
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_rows_know_their_lines_and_cells_are_stripped(tmp_path: Path) -> None:
    path = table(tmp_path, '\ufeffname,text\r\na," one\ntwo "\r\n\r\nb,\r\n')
    rows = list(read_csv(path, ("name",)))
    assert [(row.where, row["name"], row["text"]) for row in rows] == [
        (f"{path}, line 2", "a", "one\ntwo"), (f"{path}, line 5", "b", ""),
    ]  # fmt: skip
    assert rows[1].get("nothing") == ""


@pytest.mark.parametrize(("content", "told"), [
    ("name\na\n", "t.csv lacks the columns score, text; its columns are name"),
    ("", "t.csv lacks the columns name, score, text; its columns are none"),
    ("name,score,text\n", "t.csv holds no rows; get the table anew"),
    ("name,score,text\na,1\n", "t.csv, line 2: 2 cells for 3 columns"),
    ('name,score,text\na,1,"b\n', "not a table of commas and quotes"),
    (b"name,score,text\na,1,\xe9\n", "t.csv: not utf-8-sig at byte 21; save the table in UTF-8"),
])  # fmt: skip
def test_faults_name_the_file(tmp_path: Path, content: str | bytes, told: str) -> None:
    with pytest.raises(MercError) as caught:
        list(read_csv(table(tmp_path, content), ("name", "score", "text")))
    assert told in str(caught.value)


def test_cells_that_are_not_what_they_should_be() -> None:
    row = Row("t.csv, line 3", {"name": "", "score": "high", "mode": "Tst", "inf": "inf"})
    for ask, told in (
        (lambda: row.needed("name"), "t.csv, line 3: name is empty"),
        (lambda: row.number("score"), "t.csv, line 3: score must be a number, not 'high'"),
        (lambda: row.number("inf"), "t.csv, line 3: inf must be a number, not 'inf'"),
        (lambda: row.one_of("mode", {"test": "test"}), "t.csv, line 3: mode is 'Tst'; it should be one of test"),
    ):
        with pytest.raises(MercError) as caught:
            ask()
        assert str(caught.value) == told
    whole = Row("t.csv, line 4", {"fold": "1.0", "name": "007.0", "half": "1.5"})
    assert whole.one_of("fold", {"1": "train"}) == "train" and whole.numeral("name") == "007"
    assert whole.numeral("half") == "1.5"
    assert row.number("name") is None and row.number("nothing") is None


def test_texts_in_the_first_encoding_that_fits(tmp_path: Path) -> None:
    path = table(tmp_path, "瞪眼".encode("gb18030"))
    assert read_text(path, ("utf-8-sig", "gb18030")) == "瞪眼"
    with pytest.raises(MercError, match=r"no.csv cannot be read: No such file"):
        read_text(tmp_path / "no.csv")


def test_files_are_found_in_any_capitals_and_mp4_before_others(tmp_path: Path) -> None:
    (tmp_path / "Train").mkdir()
    for name in ("Train/A.MP4", "Train/a2.avi", "Train/a2.mp4", "Train/._a3.mp4", "Train/a4.txt"):
        (tmp_path / name).touch()
    (tmp_path / "Train" / "a5.mp4").mkdir()
    clips = Clips("made", tmp_path)
    for name in ("a", "a2", "a3", "a4", "a5"):
        clips.add(name, "train", ["none", f"train/{name}"], "t.csv", "Hi.", extra={"b": None, "c": "", "d": 0})
    data = clips.data(None)
    said = [talk.utterances[0] for talk in data.conversations]
    assert [u.video and u.video.name for u in said] == ["A.MP4", "a2.mp4", None, None, None]
    assert said[0].extra == {"d": 0} and said[0].missing == {}
    assert said[2].missing["audio"] == f"no clip none.mp4 in {tmp_path}"
    assert data.notes == (
        "clips that are not there: 3 of 5 (a3, a4, a5)",
        "clips without a label: 5 of 5 (a, a2, a3, a4, a5)",
    )


def test_a_clip_stands_once_and_counts_are_kept(tmp_path: Path) -> None:
    clips = Clips("made", tmp_path)
    for number in range(12):
        clips.add(f"c{number}", "test" if number else "train", f"c{number}", f"line {number}")
    clips.add("c3", "test", "c3", "line 99")
    data = clips.data(("joy",), [Reported("all", 12, "a paper"), Reported("some", 9, "a paper", ("test",))])
    assert [(count.what, count.found, count.reported) for count in data.counts] == [("all", 12, 12), ("some", 11, 9)]
    assert "rows that repeat a clip, left out: 1 of 13 (c3 in line 99; the first in line 3)" in data.notes
    assert "clips without a subtitle: 12 of 12 (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 and 2 more)" in data.notes
