"""A release made by processes of its own, as a user makes it, and killed where a test says so."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import merc
from tests.chat_server import Reply

SERVED = """\
title: From recordings
corpus: {name: jsonl, path: nowhere.jsonl}
split: {dev: 0.2, test: 0.2}
annotators:
  measures: {name: face-measures}
  units: {name: calibrated-units, least: 3}
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
"""Models on a server see, hear, describe and judge."""
OFFLINE = """\
title: From recordings
corpus: {name: jsonl, path: nowhere.jsonl}
split: {dev: 0.2, test: 0.2}
annotators:
  measures: {name: face-measures}
  units: {name: calibrated-units}
  peak: {name: peak-frame}
  keys: {name: key-frames}
  face: {name: visual-expression}
  voice: {name: audio-tone}
  words: {name: lexical}
  rules: {name: composed-description, teacher: rules}
  face_alone: {name: composed-description, teacher: face, clues: {visual_expression: visual}, compare_voice: false}
  vote: {name: majority-vote, teachers: [rules, face]}
  judge:
    name: rule-judge
    teacher: rules
    others: [face]
    clues: {visual_expression: visual, audio_tone: audio, lexical: text}
strategy: {device: cpu}
features: {store: kept/features}
"""
"""No model is asked."""


def scripted(number: int, asked: dict[str, Any]) -> Reply:
    """What a server that sees, hears, describes and judges answers: always the same to the same question."""
    from merc_annotation.describing import EMOTIONS

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


def release(work: Path, store: str, out: str, *more: str) -> subprocess.Popen[str]:
    """A process that makes ``out`` of the folder ``recordings`` by ``recipe.yaml``; what it asked lies in ``store``."""
    command = [sys.executable, "-m", "merc", "release", "recipe.yaml", out, f"features.store={store}/features",
               "--recordings", "recordings", *more]  # fmt: skip
    environment = {**os.environ, "MERC_ALLOW": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def result(work: Path, out: str) -> dict[str, Any]:
    """What was released: the hash of each file, which is that of what lies there."""
    manifest: dict[str, Any] = json.loads((work / out / "release.json").read_text())
    for name, digest in manifest["files"].items():
        assert merc.hash_file(work / out / name) == digest, name
    return manifest


def moments(work: Path, store: str, out: str, later: Sequence[tuple[str, int]]) -> list[Callable[[], bool]]:
    """Five moments of a release: a recording was heard; so many answers of an annotator are there, for each of three;
    the first file of the release is there."""

    def lines(pattern: str) -> int:
        return sum(path.read_bytes().count(b"\n") for path in (work / store / "cues").glob(pattern))

    asked = [lambda name=name, count=count: lines(f"{name}-*") >= count for name, count in later]
    return [
        lambda: any((work / out / "heard").glob("*.json")),
        *asked,
        lambda: (work / out / "train.jsonl").is_file(),
    ]


def kill_at(work: Path, store: str, out: str, reached: Sequence[Callable[[], bool]]) -> int:
    """Begin the release anew for each moment, and kill it there; gives how many processes were killed."""
    killed = 0
    for one in reached:
        process = release(work, store, out)
        while process.poll() is None and not one():
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
    return killed
