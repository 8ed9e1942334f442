"""Small real encoders for tests of the feature store; each can write down what it does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from merc.components import EncodeFunction, Encoder, FeatureSpec, Frames, Missing, Waveform, Words
from merc.conversation import Conversation, Utterance
from merc.recipe import ComponentRef


@dataclass(frozen=True, kw_only=True)
class Traced(Encoder):
    """Writes a line to the file ``trace`` for every load and every clip, and can be slow."""

    trace: str = ""
    pause: float = 0.0
    batch = 4

    def load(self, device: str) -> EncodeFunction:
        self.note(f"load {type(self).__name__} {device}")

        def encode(clips):
            self.note(f"batch {len(clips)}")
            given = []
            for clip in clips:
                self.note(f"clip {type(self).__name__}")
                time.sleep(self.pause)
                given.append(self.one(clip))
            return given

        return encode

    def note(self, line: str) -> None:
        if self.trace:
            with Path(self.trace).open("a") as file:
                file.write(line + "\n")


@dataclass(frozen=True, kw_only=True)
class Loudness(Traced):
    modality = "audio"
    window: float = 0.5

    def sampling(self) -> Waveform:
        return Waveform(rate=16_000)

    def spec(self) -> FeatureSpec:
        return FeatureSpec(dim=1)

    def one(self, clip):
        size = int(self.window * clip.rate)
        parts = [clip.samples[i : i + size] for i in range(0, len(clip.samples), size)]
        return np.array([[np.sqrt(np.mean(part**2))] for part in parts], "float32")


@dataclass(frozen=True, kw_only=True)
class Brightness(Traced):
    modality = "video"
    frames: int = 4
    sampling_: str = "uniform"
    draws: int = 1
    reject: bool = False
    telling: str = ""

    def remark(self, clip, features):
        return f"{len(features)} of {self.telling}" if self.telling else None

    def sampling(self) -> Frames:
        return Frames(count=self.frames, strategy=self.sampling_, size=(24, 32), draws=self.draws)

    def spec(self) -> FeatureSpec:
        return FeatureSpec(dim=3, tokens=self.frames)

    def one(self, clip):
        if self.reject:
            return Missing("no face in any of the frames")
        return clip.frames.mean(axis=(1, 2), dtype="float64").astype("float32")


@dataclass(frozen=True, kw_only=True)
class Letters(Traced):
    modality = "text"

    def sampling(self) -> Words:
        return Words()

    def spec(self) -> FeatureSpec:
        return FeatureSpec(dim=26)

    def one(self, clip):
        return np.array([[clip.text.lower().count(chr(97 + i)) for i in range(26)]], "float32")


@dataclass(frozen=True, kw_only=True)
class Wrong(Traced):
    """Breaks the contract in a way that ``how`` names."""

    modality = "text"
    how: str = ""

    def sampling(self) -> Words:
        return Words()

    def spec(self) -> FeatureSpec:
        return FeatureSpec(dim=2, tokens=3)

    def load(self, device: str) -> EncodeFunction:
        bad = {
            "list": [[1.0, 2.0]],
            "float64": np.zeros((1, 2)),
            "dim": np.zeros((1, 5), "float32"),
            "flat": np.zeros(2, "float32"),
            "empty": np.zeros((0, 2), "float32"),
            "long": np.zeros((9, 2), "float32"),
            "nan": np.array([[np.nan, 1.0]], "float32"),
        }

        def encode(clips):
            if self.how == "fewer":
                return []
            if self.how == "raises":
                raise ZeroDivisionError("division by zero")
            return [bad[self.how]] * len(clips)

        return encode


def part(encoder: Encoder, name: str | None = None) -> ComponentRef:
    return ComponentRef(name=name or type(encoder).__name__.lower(), params=asdict(encoder), component=encoder)


def talk(*utterances: Utterance) -> list[Conversation]:
    return [Conversation(id="c", split="train", utterances=tuple(utterances))]


def lines(trace: Path, start: str) -> list[str]:
    return [line for line in trace.read_text().splitlines() if line.startswith(start)] if trace.exists() else []


def clips_talk(paths: Sequence[Path]) -> list[Conversation]:
    return talk(*(Utterance(id=path.stem, text=f"This is {path.stem}.", video=path) for path in paths))
