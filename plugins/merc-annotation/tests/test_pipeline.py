"""The whole pipeline in processes of its own: from recordings to a released folder, killed and resumed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from merc_annotation.describing import EMOTIONS
from merc_skits.clip import make_clip
from merc_skits.script import Conflicts, write_script

import merc
from tests.chat_server import ChatServer, Reply

pytestmark = pytest.mark.slow

RECIPE = """\
title: From recordings
corpus: {name: jsonl, path: nowhere.jsonl}
split: {dev: 0.2, test: 0.2}
annotators:
  units: {name: action-units}
  peak: {name: peak-frame}
  face: {name: visual-expression}
  scene: {name: visual-objective, base_url: URL, model: vl, retries: 0}
  voice: {name: audio-tone-teacher, base_url: URL, model: hears, retries: 0}
  words: {name: lexical}
  one: {name: description-teacher, teacher: one, base_url: URL, model: one, retries: 0}
  two: {name: description-teacher, teacher: two, base_url: URL, model: two, retries: 0, temperature: 0.5}
  rules: {name: composed-description, teacher: rules, compare_voice: false}
  vote: {name: dawid-skene, teachers: [one, two, rules]}
  judge: {name: judge-teacher, teacher: one, base_url: URL, model: judge, retries: 0}
strategy: {device: cpu}
features: {store: kept/features}
"""


def scripted(number: int, asked: dict[str, Any]) -> Reply:
    """What a server that sees, hears, describes and judges answers: always the same to the same question."""
    content = asked["messages"][0]["content"]
    digest = hashlib.sha256(json.dumps([asked["model"], content]).encode()).digest()
    if isinstance(content, list):
        field = "visual_objective" if any(part["type"] == "image_url" for part in content) else "audio_tone"
        return Reply(text=json.dumps({field: "A person speaks before a wall."}))
    if content.startswith("You check annotations"):
        return Reply(text=json.dumps({"rec": digest[0] / 255, "reason": 0.5, "cot": 1.0, "why": "It may be so."}))
    label = EMOTIONS[digest[0] % len(EMOTIONS)]
    return Reply(text=json.dumps({
        "label": label, "steps": ["A person speaks.", f"So it is {label}."], "evidence": {"visual": "a person"},
        "conflicts": [], "certainty": 0.5, "description": f"A person speaks before a wall, which may show {label}.",
    }))  # fmt: skip


@pytest.fixture
def work(tmp_path: Path, server: ChatServer) -> Path:
    """A folder with seven recordings, of which one is silent in both senses, and a recipe."""
    pytest.importorskip("merc_speech")
    pytest.importorskip("mediapipe")
    server.plan = scripted
    (tmp_path / "recordings").mkdir()
    for scene in write_script(5, {"train": 2, "dev": 0, "test": 0}, 3, 0.0, Conflicts()):
        for line in scene.lines:
            make_clip(line, tmp_path / "recordings" / f"{line.id}.mp4")
    (tmp_path / "recordings" / "broken.mp4").write_bytes(b"no film at all")
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("URL", server.url))
    return tmp_path


def release(work: Path, store: str, out: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "merc", "release", "recipe.yaml", out, f"features.store={store}/features",
               "--recordings", "recordings", *more]  # fmt: skip
    environment = {**os.environ, "MERC_ALLOW": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def result(work: Path, out: str) -> dict[str, Any]:
    """What was released: the hash of each file, and of the records without where they lie."""
    manifest: dict[str, Any] = json.loads((work / out / "release.json").read_text())
    for name, digest in manifest["files"].items():
        assert merc.hash_file(work / out / name) == digest, name
    return manifest


def test_killed_and_resumed_at_five_moments_it_comes_to_the_same(work: Path, server: ChatServer) -> None:
    first = release(work, "whole", "out")
    _, errors = first.communicate(timeout=540)
    assert first.returncode == 0, errors
    assert "broken.mp4: left out" in errors
    expected = result(work, "out")
    shutil.rmtree(work / "out")
    asked_once = len(server.asked)

    def lines(pattern: str) -> int:
        return sum(path.read_bytes().count(b"\n") for path in (work / "resumed" / "cues").glob(pattern))

    moments: list[Callable[[], bool]] = [
        lambda: any((work / "out" / "heard").glob("*.json")),
        lambda: lines("action-units-*") >= 2,
        lambda: lines("description-teacher-*") >= 3,
        lambda: lines("dawid-skene-*") >= 1,
        lambda: (work / "out" / "train.jsonl").is_file(),
    ]
    killed = 0
    for reached in moments:
        process = release(work, "resumed", "out")
        while process.poll() is None and not reached():
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
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
