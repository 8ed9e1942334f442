"""``merc predict`` of a plain recording: it becomes utterances, which are answered while it is heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.integration.forking import Forks
from tests.media.clips import write_clip
from tests.media.late import write_late
from tests.senses import LABELS, mistake, read_lines

EARS = ("listen.segmenter=loud", "listen.transcriber=la")
RATE = 16_000


def tones(count: int) -> np.ndarray:
    """So many tones of a second, each after a second of silence."""
    tone = 0.4 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)
    return np.concatenate([np.zeros(RATE), tone] * count).astype("float32")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_late(tmp_path_factory.mktemp("film") / "talk.mkv", late=0.0, sound=tones(4))


def test_a_recording_is_answered_utterance_by_utterance(program: Forks, trained: Path, film: Path, tmp_path: Path):
    ended = program(tmp_path, "predict", str(trained), str(film), *EARS)
    assert ended.code == 0, ended.err
    rows = read_lines(ended.out)
    assert [(row["id"], row["start"], row["end"]) for row in rows] == [
        (f"talk_u{n}", 2.0 * n + 1, 2.0 * n + 2) for n in range(4)
    ]
    assert all(row["label"] in LABELS and row["text"] == "la" and row["missing"] == {} for row in rows)
    assert "talk.mkv: 4 utterances; 4.0 of 8.0 s are without speech" in ended.err
    assert "listening to talk.mkv" in ended.err


def test_nobody_speaks(program: Forks, trained: Path, tmp_path: Path):
    write_late(tmp_path / "still.mkv", late=0.0, sound=np.zeros(3 * RATE, "float32"))
    ended = program(tmp_path, "predict", str(trained), "still.mkv", *EARS)
    (row,) = read_lines(ended.out)
    assert (row["id"], row["label"] in LABELS) == ("still", True)
    assert "still.mkv: no speech was heard in 3.0 s of sound" in ended.err
    write_clip(tmp_path / "mute.mp4", audio=None)
    ended = program(tmp_path, "predict", str(trained), "mute.mp4", *EARS)
    assert len(read_lines(ended.out)) == 1
    assert "mute.mp4 has no audio track, so nothing is heard in it: it is one utterance without words" in ended.err


def test_a_long_clip_as_one_utterance_says_how_little_is_seen(program: Forks, trained: Path, tmp_path: Path):
    write_late(tmp_path / "long.mkv", late=0.0, sound=tones(20))
    ended = program(tmp_path, "predict", str(trained), "long.mkv", "--text", "Hm.")
    assert ended.code == 0, ended.err
    assert (
        "long.mkv is one utterance of 40 s: 'seen' sees 4 frames of 40 s, 'heard' sums 40 s up in 1 token" in ended.err
    )


def test_resuming_leaves_out_a_recording_that_is_done(program: Forks, trained: Path, film: Path, tmp_path: Path):
    arguments = ("predict", str(trained), str(film), *EARS, "--output", "out.jsonl")
    assert program(tmp_path, *arguments).code == 0
    before = (tmp_path / "out.jsonl").read_text()
    ended = program(tmp_path, *arguments, "--resume")
    assert ended.code == 0 and (tmp_path / "out.jsonl").read_text() == before
    assert "listening" not in ended.err


def test_subtitles_need_their_reader_and_one_clip(program: Forks, trained: Path, film: Path, tmp_path: Path):
    (tmp_path / "talk.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nAnn: Hi.\n")
    told = mistake(program(tmp_path, "predict", str(trained), str(film), "--subtitles", "talk.srt"))
    assert "'subtitles', which is not installed; install merc-corpora" in told
    told = mistake(program(tmp_path, "predict", str(trained), str(film), "x.mp4", "--subtitles", "talk.srt"))
    assert "--subtitles talk.srt is of one clip: give that alone" in told
    told = mistake(program(tmp_path, "predict", str(trained), str(film), "--subtitles", "talk.srt", "--text", "Hm."))
    assert "leave --text and --speaker out" in told


def test_mistakes_in_what_is_to_listen(program: Forks, trained: Path, film: Path, tmp_path: Path):
    told = mistake(program(tmp_path, "predict", str(trained), str(film), "listen.segmnter=loud"))
    assert "listen.segmnter is no value to change; listen.segmenter and listen.transcriber are" in told
    told = mistake(program(tmp_path, "predict", str(trained), str(film), "listen.segmenter=laud", EARS[1]))
    assert "unknown segmenter 'laud'" in told
    told = mistake(program(tmp_path, "predict", str(trained), str(film), EARS[0]))
    assert "no transcriber is installed" in told
