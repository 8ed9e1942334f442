"""A run with every offline encoder, used on the real clips: nothing but the backbone is small and made up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.senses import read_lines
from tests.tiny_backbone import save_tiny_backbone

STREAMS = {"face": "face-emotion", "picture": "efficientnet-lite0", "voice": "whisper-tiny", "words": "minilm"}

# Nothing is trained: every encoder and connector computes, and the labels come out at random.
RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
labels: [joy, anger, sadness]
backbone: {name: hf, path: ./backbone}
encoders:
  face: {name: face-emotion, frames: 2}
  picture: {name: efficientnet-lite0, frames: 2}
  voice: {name: whisper-tiny, tokens: 4, window: 5}
  words: {name: minilm}
connectors: {face: {name: mlp}, picture: {name: mlp}, voice: {name: mlp}, words: {name: mlp}}
evaluate: {splits: [test], prompter: {name: conversation, media: [face, picture, voice, words]}}
strategy: {device: cpu, threads: 1}
"""

Merc = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def merc(tmp_path_factory: pytest.TempPathFactory) -> Merc:
    """A function that runs the program in a folder that holds a run of the recipe."""
    folder = tmp_path_factory.mktemp("clips")
    cache = str(tmp_path_factory.mktemp("cache"))
    environment = {**os.environ, "MERC_CACHE": cache, "OMP_NUM_THREADS": "1", "MERC_PLUGINS": "merc-embedded"}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "merc", *arguments]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)

    save_tiny_backbone(folder / "backbone")
    said = {"id": "a", "split": "test", "utterances": [{"id": "a0", "text": "Hm.", "label": "joy"}]}
    (folder / "talk.jsonl").write_text(json.dumps(said))
    (folder / "all.yaml").write_text(RECIPE)
    done = call("run", "all.yaml", "--run-dir", "run")
    assert done.returncode == 0, done.stderr
    return call


@pytest.mark.data
def test_conversations_of_clips(merc: Merc, clips_folder: Path, tmp_path: Path) -> None:
    lines = (clips_folder / "conversations.jsonl").read_text().splitlines()[:3]
    given = [json.loads(line) for line in lines]
    for conversation in given:
        for utterance in conversation["utterances"]:
            utterance["video"] = str(clips_folder / utterance["video"])
    (tmp_path / "some.jsonl").write_text("\n".join(map(json.dumps, given)))
    done = merc("predict", "run", str(tmp_path / "some.jsonl"))
    assert done.returncode == 0, done.stderr
    rows = read_lines(done.stdout)
    assert [row["id"] for row in rows] == [u["id"] for c in given for u in c["utterances"]]
    for row in rows:
        assert list(row) == ["id", "conversation", "speaker", "text", "label", "probabilities", "missing"]
        assert list(row["probabilities"]) == ["joy", "anger", "sadness"]
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert row["missing"] == {}  # every encoder took every clip
    assert len({json.dumps(row["probabilities"]) for row in rows}) == len(rows)
    assert "labels that the run does not know" in done.stderr or "a label that the run does not know" in done.stderr


@pytest.mark.data
def test_one_clip(merc: Merc, clips_folder: Path) -> None:
    clip = sorted(clips_folder.glob("*.mp4"))[0]
    done = merc("predict", "run", str(clip), "--text", "My phone and wallet are in the bag.", "--speaker", "Ann")
    assert done.returncode == 0, done.stderr
    (row,) = read_lines(done.stdout)
    assert (row["id"], row["missing"]) == (clip.stem, {})
