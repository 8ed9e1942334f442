"""``merc predict`` as a tool: several inputs, standard input, lines as they come, going on after an interruption."""

from __future__ import annotations

import json
import os
import queue
import select
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from merc.cli import predict_input
from merc.cli.predict_input import Words, read_inputs
from merc.conversation import LabelSpace
from merc.errors import MercError
from tests.integration.forking import Forks
from tests.media.clips import write_clip
from tests.senses import install_senses, mistake, read_lines, talk, write_talk


@pytest.fixture
def clips(senses: Path, tmp_path: Path) -> Path:
    """A folder of clips, two of them with one name, and a file that is none."""
    for number, name in enumerate(("clips/a.mp4", "clips/more/a.mp4", "clips/more/b.mp4")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(senses / "clips" / f"{number}.mp4", tmp_path / name)
    (tmp_path / "clips" / "notes.txt").write_text("Hm.")
    return tmp_path


def test_several_clips_and_a_folder(program: Forks, trained: Path, clips: Path) -> None:
    ended = program(clips, "predict", str(trained), "clips/more/b.mp4", "clips/a.mp4", "--text", "", "--speaker", "Ann")
    assert ended.code == 0, ended.err
    rows = read_lines(ended.out)
    assert [(row["id"], row["conversation"], row["speaker"]) for row in rows] == [("b", "b", "Ann"), ("a", "a", "Ann")]
    assert all("text" not in row and row["label"] for row in rows)
    whole = program(clips, "predict", str(trained), "clips", "--text", "", "--speaker", "Ann")
    assert whole.code == 0, whole.err
    assert [row["id"] for row in read_lines(whole.out)] == ["clips/a.mp4", "clips/more/a.mp4", "b"]
    assert "clips: 3 clips; 1 other files are left aside" in whole.err
    found = {row["id"]: row["probabilities"] for row in read_lines(whole.out)}
    assert found["b"] == pytest.approx(rows[0]["probabilities"], abs=1e-5)
    assert found["clips/a.mp4"] == pytest.approx(rows[1]["probabilities"], abs=1e-5)


def test_conversations_beside_clips_and_changes(program: Forks, trained: Path, senses: Path, clips: Path) -> None:
    said = talk("test", 0)
    for one in said["utterances"]:
        one |= {"video": str(senses / one["video"]), "start": 0.0, "end": 0.5}
    write_talk(clips / "new.jsonl", [said])
    ended = program(
        clips, "predict", str(trained), "new.jsonl", "clips/a.mp4", "--text", "", "strategy.batch_tokens=512"
    )
    assert ended.code == 0, ended.err
    rows = read_lines(ended.out)
    assert [row["conversation"] for row in rows] == ["test0", "test0", "a"]
    assert [(row.get("start"), row.get("end")) for row in rows] == [(0.0, 0.5), (0.0, 0.5), (None, None)]


def test_words_alone_are_an_utterance(program: Forks, words_run: Path, tmp_path: Path) -> None:
    said = program(tmp_path, "predict", str(words_run), "--text", "We won!", "--speaker", "Ann")
    (line,) = read_lines(said.out)
    assert (line["id"], line["speaker"], line["text"], line["label"] in ("joy", "anger", "sadness")) == (
        "input-1",
        "Ann",
        "We won!",
        True,
    )
    assert mistake(program(tmp_path, "predict", str(words_run), "--speaker", "Ann")).startswith("there is no input;")
    both = mistake(program(tmp_path, "predict", str(words_run), "--text", "We won!", "--subtitles", "a.srt"))
    assert both.startswith("there is no input;")


def test_what_does_not_fit_together(program: Forks, trained: Path, senses: Path, clips: Path) -> None:
    file = str(senses / "talk.jsonl")
    for inputs, says in (
        (["clips/a.mp4", "clips/more/b.mp4", "--text", "Hm."], "--text is what is said in one clip, and 2 are given"),
        (["clips"], "and 2 more: put words and clips into a .jsonl file"),
        (["clips/a.mp4", "clips/gone.mp4", "--text", ""], "clips/gone.mp4 does not exist"),
        ([file, file], "is that of two conversations of the input; give each its own"),
        (["-", "clips/a.mp4"], "- is standard input"),
        (["strategy.threads=1"], "there is no input"),
        ([file, "--resume"], "--resume goes on with a file"),
    ):
        assert says in mistake(program(clips, "predict", str(trained), *inputs)), inputs


def test_one_damaged_clip_of_several_has_a_line_that_says_so(program: Forks, trained: Path, clips: Path) -> None:
    (clips / "clips" / "empty.mp4").touch()
    (clips / "clips" / "letter.mp4").write_text("Dear all, this is no video.\n" * 50)
    write_clip(clips / "clips" / "blink.wav", video=None, audio="pcm_s16le", seconds=0.02)
    ended = program(clips, "predict", str(trained), "clips", "--text", "")
    assert ended.code == 0, ended.err
    rows = {row["id"]: row for row in read_lines(ended.out)}
    assert list(rows) == ["clips/a.mp4", "blink", "empty", "letter", "clips/more/a.mp4", "b"]
    reasons = {name: row["unanswered"] for name, row in rows.items() if "unanswered" in row}
    assert set(reasons) == {"blink", "empty", "letter"}
    assert all(rows[name]["label"] is None and reasons[name] in ended.err for name in reasons)
    assert "is empty (0 bytes)" in reasons["empty"] and "0.02 s of audio" in reasons["blink"]
    told = mistake(program(clips, "predict", str(trained), "clips/empty.mp4", "clips/letter.mp4", "--text", ""))
    assert "empty.mp4 is empty (0 bytes) (and so with 1 more)" in told
    write_clip(clips / "flash.wav", video=None, audio="pcm_s16le", seconds=0.01)
    told = mistake(program(clips, "predict", str(trained), "clips/blink.wav", "flash.wav", "--text", ""))
    assert told.startswith("none of 2 conversations could be answered")


def test_an_interrupted_output_goes_on(program: Forks, trained: Path, senses: Path, tmp_path: Path) -> None:
    file = str(senses / "talk.jsonl")
    whole = program(tmp_path, "predict", str(trained), file, "--output", "whole.jsonl")
    assert whole.code == 0 and [path.name for path in tmp_path.iterdir()] == ["whole.jsonl"]
    lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    part = tmp_path / "out.jsonl.part"
    # Two conversations, one line of the third, and half of another line.
    part.write_text("".join(lines[:5]) + lines[5][:20])
    told = mistake(program(tmp_path, "predict", str(trained), file, "--out", "out.jsonl"))
    assert told.startswith("out.jsonl.part is of an interrupted command; go on with --resume")
    ended = program(tmp_path, "predict", str(trained), file, "--out", "out.jsonl", "--resume")
    assert ended.code == 0, ended.err
    assert not part.exists()
    assert _same(read_lines((tmp_path / "out.jsonl").read_text()), read_lines("".join(lines)))
    assert (tmp_path / "out.jsonl").read_text().startswith("".join(lines[:4]))
    # What is whole stays, and inputs that came since are added.
    write_talk(tmp_path / "new.jsonl", [{"id": "new", "utterances": [{"text": "Hm."}]}])
    again = program(tmp_path, "predict", str(trained), file, "new.jsonl", "--out", "whole.jsonl", "--resume")
    assert again.code == 0, again.err
    text = (tmp_path / "whole.jsonl").read_text()
    assert text.startswith("".join(lines)) and [r["id"] for r in read_lines(text)[len(lines) :]] == ["new_u0"]
    write_talk(tmp_path / "new.jsonl", [{"id": "new", "utterances": [{"id": "other", "text": "Hm."}]}])
    told = mistake(program(tmp_path, "predict", str(trained), "new.jsonl", "--out", "whole.jsonl", "--resume"))
    assert "whole.jsonl has other utterances of conversation 'new'" in told


def test_a_kill_leaves_no_half_output(program: Forks, trained: Path, senses: Path, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("of before\n")
    ended = program(tmp_path, "predict", str(trained), str(senses / "talk.jsonl"), "--output", "out.jsonl", kill_at=2)
    assert ended.code != 0
    assert (tmp_path / "out.jsonl").read_text() == "of before\n"


def _same(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    for one, other in zip(found, wanted, strict=True):
        assert one["probabilities"] == pytest.approx(other.pop("probabilities"), abs=1e-5)
        one.pop("probabilities")
    return found == wanted


def test_standard_input_is_answered_line_by_line(senses: Path, trained: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ, "PYTHONPATH": str(install_senses(tmp_path)), "MERC_PLUGINS": "tiny",
        "MERC_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "merc", "predict", str(trained), "-"], env=environment, cwd=tmp_path,
        bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin and process.stdout and process.stderr
    try:
        for name in ("one", "two"):  # the second is written after the first is answered
            said = {"id": name, "utterances": [{"text": "Great."}, {"text": "So it is."}]}
            process.stdin.write(json.dumps(said).encode() + b"\n")
            process.stdin.flush()
            for turn in range(2):
                assert select.select([process.stdout], [], [], 120)[0]
                row = json.loads(process.stdout.readline())
                assert (row["id"], row["conversation"]) == (f"{name}_u{turn}", name)
        process.stdin.write(b"{\n")
        process.stdin.flush()  # and stays open
        assert process.wait(60) == 2
        assert b"standard input, line 3: not JSON" in process.stderr.read()
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


def test_what_stands_before_a_bad_line_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b'{"id": "one", "utterances": [{"text": "A."}]}', b'{"id": "two", "utterances": [{"text": "B."}]}']
    there = threading.Event()

    def source() -> Iterator[bytes]:
        yield from [*lines, b"not JSON", lines[0]]
        there.set()

    class Slow(queue.SimpleQueue):  # type: ignore[type-arg]
        def get(self, *given: Any) -> Any:
            there.wait(30)  # so that all lines are one block
            return super().get(*given)

    monkeypatch.setattr(predict_input, "_standard_input", source)
    monkeypatch.setattr(queue, "SimpleQueue", Slow)
    reader = SimpleNamespace(setup=SimpleNamespace(labels=LabelSpace(("joy",))), say=print)
    read = []
    with pytest.raises(MercError, match="standard input, line 3: not JSON"):
        for block in read_inputs(["-"], Words(), reader):  # type: ignore[arg-type]
            read += [one.conversation.id for one in block]
    assert read == ["one", "two"]


def test_standard_input_that_is_closed_or_fails_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = SimpleNamespace(setup=SimpleNamespace(labels=LabelSpace(("joy",))), say=print)

    def fails() -> Iterator[bytes]:
        yield b""
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", None)
        with pytest.raises(MercError, match="standard input is closed"):
            list(read_inputs(["-"], Words(), reader))  # type: ignore[arg-type]
    monkeypatch.setattr(predict_input, "_standard_input", fails)
    with pytest.raises(MercError, match="line 2 cannot be read: Input/output error"):
        list(read_inputs(["-"], Words(), reader))  # type: ignore[arg-type]


def test_standard_input_that_is_empty(program: Forks, trained: Path, tmp_path: Path) -> None:
    assert "standard input is empty" in mistake(program(tmp_path, "predict", str(trained), "-"))


def test_lines_of_another_run_are_not_gone_on_with(
    program: Forks, trained: Path, own_run: Path, senses: Path, tmp_path: Path
) -> None:
    file = str(senses / "talk.jsonl")
    first = ["predict", str(trained), file, "--out", "out.jsonl"]
    assert program(tmp_path, *first).code == 0
    assert program(tmp_path, *first, "--resume", "strategy.batch_tokens=64").code == 0
    for other in (
        ["predict", str(own_run), file],
        [*first[:3], "evaluate.decoder={name: generate}"],
        [*first[:3], "features.seed=1"],
    ):
        told = mistake(program(tmp_path, *other, "--out", "out.jsonl", "--resume"))
        assert told.startswith(f"the lines in out.jsonl are of another run or other settings ({trained})")
