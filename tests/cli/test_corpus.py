"""``merc corpus import`` as a user meets it: real clips, processes of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from merc.builtin.jsonl import JsonlCorpus
from merc.builtin.parquet import ParquetCorpus
from tests.integration.forking import Forks


def clip(path: Path, picture: bool = True, sound: bool = True) -> None:
    with av.open(str(path), "w") as file:
        streams = []
        if picture:
            seen = file.add_stream("libx264", rate=5, width=32, height=32)
            streams.append((seen, [av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")] * 2))
        if sound:
            heard = file.add_stream("aac", rate=16_000, layout="mono")
            one = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
            one.sample_rate = 16_000
            streams.append((heard, [one]))
        for stream, frames in streams:
            for frame in frames:
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """A folder with clips, whole and lacking, and the conversations that name them."""
    clip(tmp_path / "whole.mp4")
    clip(tmp_path / "silent.mp4", sound=False)
    clip(tmp_path / "dark.mp4", picture=False)
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    names = ("whole", "silent", "dark", "broken", "gone")
    said = [{"id": name, "text": "Hi.", "video": f"{name}.mp4", "label": "joy"} for name in names]
    said.append({"id": "mute", "text": " ", "video": "whole.mp4"})
    said.append({"id": "words", "text": "Hi."})
    rows = [{"id": f"c{i}", "split": "train" if i else "test", "utterances": [one]} for i, one in enumerate(said)]
    (tmp_path / "talk.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def missing(corpus: Any) -> dict[str, dict[str, str]]:
    return {u.id: dict(u.missing) for talk in corpus.load().conversations for u in talk.utterances if u.missing}


def test_what_clips_lack_is_counted_named_and_written(program: Forks, talk: Path) -> None:
    ended = program(talk, "corpus", "import", "jsonl", "talk.jsonl", "out/talk.parquet")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        f"· 1 of 7 utterances names a file for video that is not there; the first: {talk}/talk.jsonl, line 5, "
        f"utterance 'gone': {talk}/gone.mp4 is not there",
        "· 1 of 7 utterances has an empty text",
        "· no video: 4 of 7 (dark, broken, gone, words)",
        "· no audio: 4 of 7 (silent, broken, gone, words)",
        "· no subtitle: 1 of 7 (mute)",
        "out/talk.parquet: 1 utterances of test, 6 utterances of train",
        "corpus: {name: parquet, path: out/talk.parquet}",
    ]
    lacking = missing(ParquetCorpus(path=talk / "out" / "talk.parquet"))
    assert lacking["silent"] == {"audio": "silent.mp4 has no audio track"}
    assert lacking["dark"] == {"video": "dark.mp4 has no video track"}
    assert set(lacking["broken"]) == {"video", "audio"} and "cannot be read" in lacking["broken"]["video"]
    assert set(lacking) == {"silent", "dark", "broken", "gone"}


def test_names_cannot_move_the_cursor(program: Forks, talk: Path) -> None:
    rows = [{"id": "c", "utterances": [{"id": "u", "text": "Hi.", "video": "gone.mp4", "\x9b2J\u202e": 1}]}]
    (talk / "\x1b[2J.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = program(talk, "corpus", "import", "jsonl", "\x1b[2J.jsonl", "out.jsonl")
    assert ended.code == 0 and "\\u001b[2J.jsonl" in ended.out and "\\u009b2J\\u202e (1)" in ended.out
    assert not {"\x1b", "\x9b", "\u202e"} & set(ended.out + ended.err)
    ended = program(talk, "corpus", "import", "jsonl", "\x1b]0;x\x07.jsonl", "other.jsonl")
    assert ended.code == 2 and "\\u001b]0;x\\u0007.jsonl is not there" in ended.err
    assert not {"\x1b", "\x07"} & set(ended.out + ended.err)


def test_there_and_back_nothing_is_lost(program: Forks, talk: Path) -> None:
    for source, target in (("talk.jsonl", "a.parquet"), ("a.parquet", "b.jsonl")):
        name = source.rpartition(".")[2]
        ended = program(talk, "corpus", "import", name, source, target, "--json")
        assert ended.code == 0, ended.err
        told = json.loads(ended.out)
        assert (told["file"], told["utterances"], told["counts"]) == (target, {"test": 1, "train": 6}, [])
    first, last = ParquetCorpus(path=talk / "a.parquet").load(), JsonlCorpus(path=talk / "b.jsonl").load()
    assert first.conversations == last.conversations


def test_looking_can_be_left_out(program: Forks, talk: Path) -> None:
    ended = program(talk, "corpus", "import", "jsonl", "talk.jsonl", "out.jsonl", "--no-look")
    assert ended.code == 0 and "no audio" not in ended.out
    assert set(missing(JsonlCorpus(path=talk / "out.jsonl"))) == {"gone"}


@pytest.mark.parametrize(("arguments", "told"), [
    (["jsonl", "talk.jsonl", "out.csv"], "out.csv: the name of the file to write ends in .jsonl or .parquet"),
    (["jsnl", "talk.jsonl", "out.jsonl"], "unknown corpus 'jsnl'. Did you mean 'jsonl'?"),
    (["jsonl", "none.jsonl", "out.jsonl"], "the conversations file"),
    (["jsonl", "talk.jsonl", "out.jsonl", "pth=x"], "corpus 'jsonl' takes no 'pth'. Did you mean 'path'?"),
    (["jsonl", "talk.jsonl", "talk.jsonl"], "talk.jsonl would be written over what is read; give another DEST"),
    (["jsonl", "twice.jsonl", "out.jsonl"], "the utterance id 'u' is taken already"),
])  # fmt: skip
def test_mistakes_are_a_sentence_and_nothing_is_written(
    program: Forks, talk: Path, arguments: list[str], told: str
) -> None:
    one = json.dumps({"id": "c", "utterances": [{"id": "u", "text": "Hi."}]})
    (talk / "twice.jsonl").write_text(f"{one}\n{one.replace('c', 'd', 1)}\n")
    ended = program(talk, "corpus", "import", *arguments)
    assert ended.code == 2 and told in ended.err and "Traceback" not in ended.err
    assert not (talk / "out.jsonl").exists()


def test_look_says_what_a_file_is_and_what_it_holds(program: Forks, talk: Path) -> None:
    ended = program(talk, "corpus", "look", "talk.jsonl")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "talk.jsonl: conversations in merc's own form, as JSON Lines"
    for line in (
        "7 utterances in 7 conversations", "  label       train  test",
        "  joy             4     1", "  (no label)      2     0", "speakers: 0, and some utterances without one",
        f"video: of 6 of 7 utterances a file is named, and 5 of these are there; the first that is not: "
        f"{talk}/gone.mp4 is not there",
    ):  # fmt: skip
        assert line in lines
    assert ended.out.endswith("corpus:\n  name: jsonl\n  path: talk.jsonl\n")
    program(talk, "corpus", "import", "jsonl", "talk.jsonl", "a.parquet", "--no-look")
    assert "conversations in merc's own form, as Parquet" in program(talk, "corpus", "look", "a.parquet").out


def test_look_asks_every_corpus_and_names_those_that_fail(program: Forks, talk: Path) -> None:
    told = json.loads(program(talk, "corpus", "look", "talk.jsonl", "--json").out)
    assert [one["corpus"] for one in told["read_by"]] == ["jsonl"]
    assert told["read_by"][0]["section"] == "corpus:\n  name: jsonl\n  path: talk.jsonl\n"
    ended = program(talk, "corpus", "look", "talk.jsonl", "--as", "jsonll")
    assert ended.code == 2 and "corpus 'jsonll' does not recognise talk.jsonl. Did you mean 'jsonl'?" in ended.err


def test_look_at_what_cannot_be_read_shows_the_section_and_then_the_fault(program: Forks, talk: Path) -> None:
    (talk / "bad.jsonl").write_text('{"id": "c", "utterances": [{"text": 1}]}\n')
    ended = program(talk, "corpus", "look", "bad.jsonl")
    assert ended.code == 2 and "  path: bad.jsonl" in ended.out
    assert "bad.jsonl, line 1: utterance 'c_u0': 'text' must be a text, not 1" in ended.err
    ended = program(talk, "corpus", "look", "whole.mp4")
    assert ended.code == 2 and "whole.mp4 is of no form that an installed corpus reads" in ended.err
