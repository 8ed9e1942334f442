"""The cue store's files: a line an answer, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.components import Annotation
from merc.cues import CueStore
from merc.cues.store import CueFile
from merc.errors import MercError
from tests.cues.parts import Words, fill, read, talk


def cue_file(folder: Path) -> CueFile:
    return CueFile(folder / "words.jsonl", "words", "1")


TEXTS = st.text(min_size=1).filter(str.strip)
GIVEN = st.builds(
    Annotation, cues=st.dictionaries(st.text(), TEXTS, min_size=1), raw=st.lists(st.text(), max_size=2).map(tuple)
) | st.builds(Annotation, reason=TEXTS, raw=st.lists(st.text(), max_size=2).map(tuple), retry=st.booleans())


@settings(max_examples=50, deadline=None)
@given(given=st.dictionaries(st.text("abc", min_size=1), GIVEN, min_size=1, max_size=5), torn=st.binary(max_size=20))
def test_what_was_kept_is_read_again(tmp_path_factory: pytest.TempPathFactory, given: dict, torn: bytes) -> None:
    folder = tmp_path_factory.mktemp("store")
    file = cue_file(folder)
    for key, answer in given.items():
        with file.path.open("ab") as other:  # what a killed process left
            other.write(torn.replace(b"\n", b" "))
        file.add(key, f"u {key}", answer)
    again = cue_file(folder)
    again.refresh()
    for key, answer in given.items():
        assert file.get(key) == again.get(key) == answer
    assert again.damaged == []
    assert len(file.path.read_bytes().split(b"\n")) == len(given) + 1


def test_a_final_answer_is_not_replaced_by_a_fault_that_passes(tmp_path: Path) -> None:
    file = cue_file(tmp_path)
    fault, final = Annotation(reason="down", retry=True), Annotation(cues={"length": "1"})
    file.add("k", "u", fault)
    assert not file.final("k") and file.get("k") == fault
    file.add("k", "u", final)
    file.add("k", "u", fault)
    assert file.final("k") and file.get("k") == final
    again = cue_file(tmp_path)
    again.refresh()
    assert again.get("k") == final


def test_lines_that_are_no_answers_are_counted_and_said(tmp_path: Path) -> None:
    talks = [talk("One.", "Two two.", "Three three three.")]
    fill(tmp_path, Words(), talks)
    (path,) = (tmp_path / "cues").glob("*.jsonl")
    good = path.read_text().splitlines()
    path.write_text(
        "\n".join([good[0][:-5], good[1], '{"key": "k", "fields": {"a": 1}}', "[" * 99_999, "7", ""]) + "\n"
    )
    table = read(tmp_path, Words(), talks)
    assert table.unasked == {"it": ["c_u0", "c_u2"]}
    said = "line 1, 3, 4, 5, 6 is no answer and was left out; what it answered counts as not asked"
    assert table.notes == [f"{path}: {said}"]
    assert fill(tmp_path, Words(), talks).asked == {"it": 2}


def test_a_store_that_was_emptied_meanwhile(tmp_path: Path) -> None:
    file = cue_file(tmp_path)
    file.add("k", "u", Annotation(cues={"length": "1"}))
    file.path.write_text("")
    file.refresh()
    assert file.get("k") is None


def test_places_that_cannot_be_written_or_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        MercError, match=r"^the cue store .*file/cues cannot be made: Not a directory; set features.store$"
    ):
        CueStore(tmp_path / "file" / "cues").make()
    with pytest.raises(MercError, match=r"^an answer could not be written to .*/a.jsonl: No such file or directory; "):
        CueFile(tmp_path / "nowhere" / "a.jsonl", "a", "1").add("k", "u", Annotation(reason="no"))
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(MercError, match=r"^the cue file .*/folder.jsonl cannot be read: Is a directory$"):
        CueFile(tmp_path / "folder.jsonl", "a", "1").refresh()


def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path: Path) -> None:
    """The limit on a file's size stands in for a full disk: a write stops halfway."""
    import subprocess
    import sys

    code = """
import resource, signal, sys
from pathlib import Path
from merc.components import Annotation
from merc.cues.store import CueFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = CueFile(Path(sys.argv[1]), "words", "1")
file.add("a", "u0", Annotation(cues={"length": "x" * 100}))
resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
file.add("b", "u1", Annotation(cues={"length": "x" * 1000}))
"""
    path = tmp_path / "a.jsonl"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert "MercError: an answer could not be written to" in done.stderr and "File too large" in done.stderr
    assert [json.loads(line)["key"] for line in path.read_bytes().decode().splitlines()] == ["a"]
    assert path.read_bytes().endswith(b"\n")
