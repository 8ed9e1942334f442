"""A plugin with two small encoders and two annotators, and a small corpus of real clips with recipes that use them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from merc.registry import get_registry
from tests.integration.forking import Ended
from tests.media.clips import write_clip
from tests.registry.distributions import Distribution, install
from tests.tiny_backbone import save_tiny_backbone

HELLO = "a library says hello\nso does its C code\n"
LABELS = ("joy", "anger", "sadness")

PLUGIN = """\
import merc

@merc.hookimpl
def register_encoders(register):
    register("brightness", "merc_tiny.parts:Brightness")
    register("loudness", "merc_tiny.parts:Loudness")

@merc.hookimpl
def register_annotators(register):
    register("ear", "merc_tiny.parts:Ear")
    register("counter", "merc_tiny.parts:Counter")

@merc.hookimpl
def register_segmenters(register):
    register("loud", "merc.testing.examples.segmenter:Example")

@merc.hookimpl
def register_transcribers(register):
    register("la", "merc.testing.examples.transcriber:Example")

@merc.hookimpl
def register_benchmarks(register):
    register("talks", "merc_tiny.parts:Talks")
"""

PARTS = """\
import ctypes
from dataclasses import dataclass

import merc
import numpy as np


@dataclass(frozen=True, kw_only=True)
class Brightness(merc.Encoder):
    modality = "video"
    frames: int = 4

    def sampling(self):
        return merc.Frames(count=self.frames, size=(16, 16))

    def spec(self):
        return merc.FeatureSpec(dim=3, tokens=self.frames)

    def load(self, device):
        return lambda clips: [(c.frames.mean(axis=(1, 2)) / 255).astype("float32") for c in clips]


@dataclass(frozen=True, kw_only=True)
class Loudness(merc.Encoder):
    modality = "audio"

    def sampling(self):
        return merc.Waveform(rate=16_000)

    def spec(self):
        return merc.FeatureSpec(dim=1, tokens=1)

    def load(self, device):
        print("a library says hello")
        ctypes.CDLL(None).puts(b"so does its C code")
        ctypes.CDLL(None).fflush(None)
        return lambda clips: [np.array([[np.abs(c.samples).mean()]], "float32") for c in clips]


@dataclass(frozen=True, kw_only=True)
class Ear(merc.Annotator):
    '''The cue ``pitch`` from the sound, as the number of times that it crosses zero. ``down`` are words of utterances
    for which the server is down, ``mute`` of those of which nothing can be said; ``budget`` is how many it answers.'''

    down: str = ""
    mute: str = ""
    budget: int | None = None

    def fields(self):
        return ("pitch",)

    def audio(self):
        return merc.Waveform(rate=8_000)

    def identity(self):
        return {"mute": self.mute}

    def load(self, device):
        def annotate(observations):
            for number, one in enumerate(observations, start=1):
                text, sound = one.query.target.text, one.audio
                if self.down and self.down in text:
                    given = merc.Annotation(reason="the server is down", retry=True, raw=("502",))
                elif self.mute and self.mute in text:
                    given = merc.Annotation(reason="nothing can be said")
                elif isinstance(sound, merc.Missing):
                    given = merc.Annotation(reason=sound.reason)
                else:
                    crossings = int((np.diff(np.signbit(sound.samples)) != 0).sum())
                    given = merc.Annotation(cues={"pitch": f"{crossings} crossings"})
                yield one.query.target.id, given
                if number == self.budget:
                    return
        return annotate


@dataclass(frozen=True, kw_only=True)
class Counter(merc.Annotator):
    '''The cue ``length``: how many words.'''

    def fields(self):
        return ("length",)

    def load(self, device):
        def annotate(observations):
            for one in observations:
                words = len(one.query.target.text.split())
                yield one.query.target.id, merc.Annotation(cues={"length": f"{words} words"})
        return annotate


@dataclass(frozen=True, kw_only=True)
class Talks(merc.Benchmark):
    '''The emotion of two sets and the mood of the first, by ``number``, and ``beside`` it.'''

    number: str = "accuracy"
    beside: tuple[str, ...] = ()

    def columns(self):
        asked = {"A": ("a", "label", ("test",)), "A-m": ("a", "mood", ("dev", "test")), "B": ("b", "label", ("test",))}
        return [
            merc.BenchmarkTask(
                title=title, corpus=corpus, truth=truth, splits=splits, metric="classification", number=self.number,
                beside=self.beside, prompter={"question": "How is it?", "unheard": 1}, reported=4,
            )
            for title, (corpus, truth, splits) in asked.items()
        ]

    def averages(self):
        return {"Avg": ("A", "A-m", "B")}
"""

MEDIA = """\
corpus: {{name: jsonl, path: talk.jsonl}}
labels: [joy, anger, sadness]
backbone: {{name: hf, path: {folder}/backbone, tuning: {{name: lora, r: 4, alpha: 8}}}}
encoders:
  seen: {{name: brightness}}
  heard: {{name: loudness}}
connectors:
  seen: {{name: linear}}
  heard: {{name: linear}}
stages:
  - id: merc
    prompter: {{name: conversation, media: [seen, heard]}}
    trainer: {{name: sft, lr: 5e-3, batch_conversations: 2}}
evaluate: {{metrics: [classification]}}
strategy: {{device: cpu, threads: 1, batch_tokens: 512}}
"""

# Nothing to train: the backbone is asked as it is, by words alone.
WORDS = """\
corpus: {{name: jsonl, path: talk.jsonl}}
labels: [joy, anger, sadness]
backbone: {{name: hf, path: {folder}/backbone}}
evaluate: {{splits: [test], prompter: {{name: conversation}}}}
strategy: {{device: cpu, threads: 1, batch_tokens: 512}}
"""


def install_senses(folder: Path) -> Path:
    """Install the plugin; gives the folder for the path."""
    return install([Distribution("tiny", PLUGIN, {"parts.py": PARTS})], folder)


@contextmanager
def senses_here(folders: pytest.TempPathFactory) -> Iterator[None]:
    """The plugin in this process, with a cache of its own, and no other plugin."""
    site = install_senses(folders.mktemp("here"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("MERC_PLUGINS", "tiny")
        patch.setenv("MERC_CACHE", str(folders.mktemp("cache")))
        get_registry.cache_clear()
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "merc_tiny"]:
        del sys.modules[name]
    get_registry.cache_clear()


def write_senses(folder: Path) -> Path:
    """Write ``backbone/``, ``clips/``, ``talk.jsonl``, ``media.yaml`` and ``words.yaml``; gives the folder."""
    save_tiny_backbone(folder / "backbone")
    (folder / "clips").mkdir()
    for number in range(4):
        write_clip(folder / "clips" / f"{number}.mp4", frames=8 + number, tone=220.0 * (number + 1))
    write_talk(
        folder / "talk.jsonl",
        [talk(s, n) for s, count in (("train", 3), ("dev", 1), ("test", 2)) for n in range(count)],
    )
    for name, recipe in (("media", MEDIA), ("words", WORDS)):
        (folder / f"{name}.yaml").write_text(recipe.format(folder=folder))
    return folder


def talk(split: str, number: int) -> dict[str, Any]:
    """A conversation of two utterances, each with a clip."""
    name = f"{split}{number}"
    said = [
        {
            "id": f"{name}_u{turn}",
            "speaker": ("Ann", "Bo")[turn],
            "text": f"It was turn {turn} of {name}.",
            "label": LABELS[(number + turn) % 3],
            "video": f"clips/{(2 * number + turn) % 4}.mp4",
        }
        for turn in range(2)
    ]
    return {"id": name, "split": split, "utterances": said}


def write_talk(file: Path, conversations: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(c) + "\n" for c in conversations))
    return file


def read_lines(text: str) -> list[dict[str, Any]]:
    """What JSON Lines hold; anything else among them is an error."""
    return [json.loads(line) for line in text.splitlines()]


def mistake(ended: Ended) -> str:
    """The message of a person's mistake; nothing was given but that."""
    assert ended.code == 2, ended.err
    assert ended.out.replace(HELLO, "") == ""
    assert "Traceback" not in ended.err and ended.err.count("error: ") == 1
    return ended.err.partition("error: ")[2]
