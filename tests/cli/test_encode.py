"""``merc encode`` as a user meets it: a process, a recipe, real files, and a plugin that pip installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.media.clips import write_clip
from tests.registry.distributions import Distribution, install

PLUGIN = """\
import merc

@merc.hookimpl
def register_encoders(register):
    register("brightness", "merc_senses.parts:Brightness")
    register("loudness", "merc_senses.parts:Loudness")
"""

PARTS = """\
from dataclasses import dataclass

import merc
import numpy as np


@dataclass(frozen=True, kw_only=True)
class Brightness(merc.Encoder):
    modality = "video"
    frames: int = 8

    def sampling(self):
        return merc.Frames(count=self.frames, size=(16, 16))

    def spec(self):
        return merc.FeatureSpec(dim=3)

    def load(self, device):
        return lambda clips: [c.frames.mean(axis=(1, 2)).astype("float32") for c in clips]


@dataclass(frozen=True, kw_only=True)
class Loudness(merc.Encoder):
    modality = "audio"

    def sampling(self):
        return merc.Waveform()

    def spec(self):
        return merc.FeatureSpec(dim=1)

    def load(self, device):
        return lambda clips: [np.array([[np.abs(c.samples).mean()]], "float32") for c in clips]
"""

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
encoders:
  seen: {name: brightness}
  heard: {name: loudness}
strategy: {device: cpu}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    plugin = Distribution("senses", PLUGIN, {"parts.py": PARTS})
    return install([plugin], tmp_path_factory.mktemp("senses"))


@pytest.fixture
def merc(site, tmp_path):
    write_clip(tmp_path / "u0.mp4", frames=20)
    write_clip(tmp_path / "u1.mp4", frames=5)
    write_clip(tmp_path / "u2.mp4", frames=20, audio=None)
    said = [{"id": f"u{i}", "text": "Well.", "label": "joy", "video": f"u{i}.mp4"} for i in range(4)]
    talk = {"id": "c", "split": "train", "utterances": said}
    (tmp_path / "talk.jsonl").write_text(json.dumps(talk) + "\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ, "PYTHONPATH": str(site), "MERC_PLUGINS": "senses", "MERC_CACHE": str(tmp_path / "cache"),
            "OMP_NUM_THREADS": "1", "COLUMNS": "100",
        }  # fmt: skip
        command = [str(Path(sys.executable).with_name("merc")), "encode", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    return run


def test_encode_fills_the_store_and_lists_what_is_missing(merc, tmp_path):
    first = merc("recipe.yaml", "--json")
    assert first.returncode == 0, first.stderr
    record = json.loads(first.stdout)
    assert record["store"] == str(tmp_path / "cache" / "features")
    assert record["notes"] == ["seen: 1 of 4 clips have fewer than 8 frames: u1 (5)"]
    seen, heard = record["streams"]["seen"], record["streams"]["heard"]
    assert (seen["utterances"], seen["encoded"], heard["encoded"]) == (4, 3, 2)
    # The corpus says what is wrong with u3, whose file does not exist, in words of its own.
    assert [entry["utterance"] for entry in seen["missing"]] == ["u3"] and "u3.mp4" in seen["missing"][0]["reason"]
    assert {"utterance": "u2", "reason": "u2.mp4 has no audio track"} in heard["missing"]
    assert "u1 (5)" in first.stderr and "Traceback" not in first.stderr

    again = merc("recipe.yaml")
    assert again.returncode == 0, again.stderr
    rows = [line.replace("│", " ").split() for line in again.stdout.splitlines()]
    assert ["seen", "4", "0", "1"] in rows and ["heard", "4", "0", "2"] in rows
    assert "heard: 1 of 4 (u2): u2.mp4 has no audio track" in again.stdout
    assert f"features: {tmp_path / 'cache' / 'features'}" in again.stdout

    changed = merc("recipe.yaml", "encoders.seen.frames=4", "features.store=elsewhere", "--json")
    assert json.loads(changed.stdout)["streams"]["heard"]["encoded"] == 2
    assert len(list((tmp_path / "elsewhere").glob("*/*.safetensors"))) == 5


def test_what_a_limit_leaves_out_is_not_encoded(merc, tmp_path):
    own = [{"id": f"u{i}", "text": "Well.", "label": "joy", "video": f"u{i}.mp4"} for i in range(3)]
    splits = ["train", "train", "test"]
    talks = [{"id": f"c{i}", "split": splits[i], "utterances": [own[i]]} for i in range(3)]
    (tmp_path / "talk.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    result = merc("recipe.yaml", "corpus.limit=1", "--json")
    assert result.returncode == 0, result.stderr
    assert "corpus.limit: of train the first 1 of 2 conversations" in result.stderr
    streams = json.loads(result.stdout)["streams"]
    assert (streams["seen"]["utterances"], streams["seen"]["encoded"]) == (2, 2)


def test_a_recipe_without_encoders(merc, tmp_path):
    (tmp_path / "text.yaml").write_text("corpus: {name: jsonl, path: talk.jsonl}\n")
    told = merc("text.yaml")
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "error: recipe 'text' has no encoders, so there is nothing to encode; add some at encoders:\n"


def test_mistakes_are_told_without_a_traceback(merc, tmp_path):
    told = merc("recipe.yaml", "encoders.seen.frame=4")
    assert told.returncode == 2 and "Did you mean 'frames'?" in told.stderr and "Traceback" not in told.stderr
    (tmp_path / "file").write_text("")
    told = merc("recipe.yaml", "features.store=file/store")
    assert told.returncode == 2 and "file/store cannot be made" in told.stderr and "Traceback" not in told.stderr
