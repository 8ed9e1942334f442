"""The whole pipeline in processes of its own: from recordings to a released folder, killed and resumed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from merc_skits.clip import make_clip
from merc_skits.script import Conflicts, write_script

from tests.chat_server import ChatServer, Reply
from tests.faces import need_faces
from tests.releasing import SERVED, kill_at, moments, release, result, scripted

pytestmark = pytest.mark.slow


@pytest.fixture
def work(tmp_path: Path, server: ChatServer) -> Path:
    """A folder with seven recordings, of which one is silent in both senses, and a recipe."""
    pytest.importorskip("merc_speech")
    need_faces()
    server.plan = scripted
    (tmp_path / "recordings").mkdir()
    for scene in write_script(5, {"train": 2, "dev": 0, "test": 0}, 3, 0.0, Conflicts()):
        for line in scene.lines:
            make_clip(line, tmp_path / "recordings" / f"{line.id}.mp4")
    (tmp_path / "recordings" / "broken.mp4").write_bytes(b"no film at all")
    (tmp_path / "recipe.yaml").write_text(SERVED.replace("URL", server.url))
    return tmp_path


def test_killed_and_resumed_at_five_moments_it_comes_to_the_same(work: Path, server: ChatServer) -> None:
    first = release(work, "whole", "out")
    _, errors = first.communicate(timeout=540)
    assert first.returncode == 0, errors
    assert "broken.mp4: left out" in errors
    expected = result(work, "out")
    shutil.rmtree(work / "out")
    asked_once = len(server.asked)

    later = [("face-measures", 2), ("description-teacher", 3), ("dawid-skene", 1)]
    killed = kill_at(work, "resumed", "out", moments(work, "resumed", "out", later))
    assert killed == 5
    assert not list((work / "out").glob("release.json"))
    last = release(work, "resumed", "out")
    _, errors = last.communicate(timeout=540)
    assert last.returncode == 0, errors
    assert result(work, "out") == expected
    # what was on its way when a process was killed is asked for again, and nothing else
    assert len(server.asked) - asked_once <= asked_once + 5 * 4 * 2


def test_a_server_that_is_down_holds_the_release_back_and_is_asked_again(work: Path, server: ChatServer) -> None:
    server.plan = lambda number, asked: Reply(status=503) if asked["model"] == "two" else scripted(number, asked)
    first = release(work, "kept", "out")
    _, errors = first.communicate(timeout=540)
    assert first.returncode == 1 and "not released: utterances without a final answer (annotators.two: " in errors
    assert not (work / "out" / "train.jsonl").exists()
    server.plan = scripted
    before = len(server.asked)
    second = release(work, "kept", "out", "--hide-test", "--copy-media")
    _, errors = second.communicate(timeout=540)
    assert second.returncode == 0, errors
    assert all(asked["model"] in ("two",) for asked in server.asked[before:])
    records = [json.loads(line) for line in (work / "out" / "train.jsonl").read_text().splitlines()]
    assert all((work / "out" / one["video"]).is_file() and one["label"] for one in records)
    assert all(one["shares"] and one["quality"]["judgements"]["one"]["S_final"] for one in records)
    assert (work / "out-hidden" / "test.jsonl").is_file()
