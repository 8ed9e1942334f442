"""``merc predict`` and ``merc corpus look`` of what people have: tables, subtitles, and folders of everything."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.forking import Forks
from tests.media.clips import write_clip
from tests.senses import LABELS, install_senses, mistake, read_lines

pytest.importorskip("merc_corpora")

TABLE = "Dialog;Who;Line;Emotion\n1;Ann;Hi there.;joy\n1;Ben;Go away!;anger\n2;Ann;Oh.;surprise\n"
SUBTITLES = "1\n00:00:00,100 --> 00:00:00,200\nAnn: Hi.\n\n2\n00:00:00,150 --> 00:00:00,300\nBen: What?\n"


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """``merc`` with merc-corpora beside the plugin of ``tests.senses``."""
    site, cache = install_senses(tmp_path_factory.mktemp("site")), tmp_path_factory.mktemp("cache")
    forks = Forks(site, cache, plugins="tiny,merc-corpora")
    yield forks
    forks.close()


def test_a_table_is_read_by_a_guess_that_is_shown_and_can_be_corrected(
    corpora: Forks, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "talks.csv").write_text(TABLE)
    ended = corpora(tmp_path, "predict", str(trained), "talks.csv")
    assert ended.code == 0, ended.err
    rows = read_lines(ended.out)
    assert [(row["id"], row["speaker"], row["text"]) for row in rows] == [
        ("1_u0", "Ann", "Hi there."), ("1_u1", "Ben", "Go away!"), ("2_u0", "Ann", "Oh."),
    ]  # fmt: skip
    assert all(row["label"] in LABELS for row in rows)
    guess = (
        "corpus=\"table 'delimiter=;' columns.conversation=Dialog columns.speaker=Who columns.text=Line "
        'columns.label=Emotion"'
    )
    assert "a table of 3 rows and 4 columns: values between semicolons, in utf-8" in ended.err and guess in ended.err
    assert "1 of 3 utterances has a label that the run does not know: surprise (1)" in ended.err

    given = "corpus=table columns.text=Line one_conversation=file"
    ended = corpora(tmp_path, "predict", str(trained), "talks.csv", given)
    rows = read_lines(ended.out)
    assert [row["conversation"] for row in rows] == ["talks"] * 3 and "guess" not in ended.err
    for given, told in (
        ("corpus=table columns.text=Lin one_conversation=row", "did you mean 'Line'?"),
        ("corpus=tabel", "unknown corpus 'tabel'. Did you mean 'table'?"),
        ("corpus=table 'columns.text=Line", "write a name and parameters, as in corpus='table columns.text=Line'"),
    ):
        assert told in mistake(corpora(tmp_path, "predict", str(trained), "talks.csv", given)), given


def test_subtitles_give_a_clip_its_words(corpora: Forks, trained: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "film.mp4", frames=30)
    (tmp_path / "talk.srt").write_text(SUBTITLES)
    ended = corpora(tmp_path, "predict", str(trained), "film.mp4", "--subtitles", "talk.srt")
    assert ended.code == 0, ended.err
    rows = read_lines(ended.out)
    assert [(row["conversation"], row["speaker"], row["start"], row["end"]) for row in rows] == [
        ("film", "Ann", 0.1, 0.2), ("film", "Ben", 0.15, 0.3),
    ]  # fmt: skip
    assert all(row["label"] in LABELS and row["missing"] == {} for row in rows)
    assert "talk.srt: 1 of 2 subtitles begin before the one before them ends" in ended.err

    (tmp_path / "long.srt").write_text(SUBTITLES.replace("00:00:00,150 --> 00:00:00,300", "01:00:00,1 --> 01:00:01,3"))
    ended = corpora(tmp_path, "predict", str(trained), "film.mp4", "--subtitles", "long.srt")
    first, last = read_lines(ended.out)
    assert first["missing"] == {} and set(last["missing"]) == {"seen", "heard"}
    assert "long.srt: 1 of 2 utterances begin after film.mp4 ends" in ended.err
    (tmp_path / "other.srt").write_text(SUBTITLES.replace("00:00:00", "02:00:00"))
    told = mistake(corpora(tmp_path, "predict", str(trained), "film.mp4", "--subtitles", "other.srt"))
    assert "2 of 2 utterances begin after film.mp4 ends" in told and "another film" in told
    (tmp_path / "frames.srt").write_text(SUBTITLES.replace(",", ":"))
    told = mistake(corpora(tmp_path, "predict", str(trained), "film.mp4", "--subtitles", "frames.srt"))
    assert "counts frames after the seconds" in told


@pytest.mark.slow
def test_nothing_in_a_folder_of_a_thousand_files_is_lost(corpora: Forks, trained: Path, tmp_path: Path) -> None:
    """Clips are answered, those that are damaged say so, and what is no clip is counted and named by its kind."""
    folder = tmp_path / "all"
    folder.mkdir()
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    clips, damaged = 300, 20
    for number in range(clips):
        os.link(clip, folder / f"{number:03}.mp4")
    for number in range(damaged):
        (folder / f"broken{number:02}.mkv").write_bytes(clip.read_bytes()[: 40 + number])
    for number in range(200):
        (folder / f"{number:03}.srt").write_text(SUBTITLES)
        (folder / f"{number:03}.csv").write_text(TABLE)
        talk = {"id": f"t{number}", "utterances": [{"text": "Hm."}]}
        (folder / f"{number:03}.jsonl").write_text(json.dumps(talk) + "\n")
    for number in range(80):
        (folder / f"note{number:02}.txt").write_text("Dear Ann")
    assert len(list(folder.iterdir())) == 1000

    ended = corpora(tmp_path, "predict", str(trained), "all", "--text", "")
    assert ended.code == 0, ended.err
    rows = read_lines(ended.out)
    assert len(rows) == clips + damaged and len({row["id"] for row in rows}) == len(rows)
    answered = [row for row in rows if row["label"] is not None]
    assert len(answered) == clips
    assert all("unanswered" in row for row in rows if row not in answered)
    assert "all: 320 clips; 680 other files are left aside (200 .csv, 200 .jsonl, 200 .srt, 80 .txt: " in ended.err

    ended = corpora(tmp_path, "corpus", "look", "all")
    assert ended.code == 0, ended.err
    assert "all: a folder of 1,000 files" in ended.out
    for kind, count in (("corpus jsonl", 200), ("corpus subtitles", 200), ("corpus table", 200)):
        assert f"  {kind}: {count} (" in ended.out
    named = ("no corpus reads .mp4: 300", "no corpus reads .mkv: 20", "no corpus reads .txt: 80")
    assert all(line in ended.out for line in named)
