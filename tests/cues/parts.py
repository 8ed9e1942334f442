"""Small real annotators for tests of the cue store; each can write down what it does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merc.components import Annotation, Annotator, AudioClip, Frames, Observation, VideoClip, Waveform
from merc.conversation import Conversation, Utterance
from merc.cues import CueStore, CueTable, PassOptions, annotate, look
from merc.passes import Hashes
from merc.recipe import ComponentRef


@dataclass(frozen=True, kw_only=True)
class Traced(Annotator):
    """Writes a line to the file ``trace`` for every load, call and answer; can be slow, and end early."""

    trace: str = ""
    pause: float = 0.0
    budget: int | None = None

    def identity(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if k not in ("trace", "pause", "budget")}

    def load(self, device: str) -> Any:
        self.note(f"load {device}")

        def run(observations: Iterator[Observation]) -> Iterator[tuple[str, Annotation]]:
            self.note("call")
            for number, one in enumerate(observations, start=1):
                time.sleep(self.pause)
                self.note(f"asked {one.query.target.id}")
                yield one.query.target.id, self.one(one)
                if number == self.budget:
                    return

        return run

    def one(self, shown: Observation) -> Annotation:
        raise NotImplementedError

    def note(self, line: str) -> None:
        if self.trace:
            with Path(self.trace).open("a") as file:
                file.write(line + "\n")


@dataclass(frozen=True, kw_only=True)
class Words(Traced):
    """The cue ``length`` of the words; texts that say "down" are a fault that passes, "mute" one that does not."""

    unit: str = "words"

    def fields(self) -> tuple[str, ...]:
        return ("length",)

    def one(self, shown: Observation) -> Annotation:
        text = shown.query.target.text
        if "down" in text:
            return Annotation(reason="the server is down", retry=True, raw=("502",))
        if "mute" in text:
            return Annotation(reason="nothing is said", raw=("...",))
        return Annotation(cues={"length": f"{len(text.split())} {self.unit}"}, raw=("{}", f"{len(text)}"))


@dataclass(frozen=True, kw_only=True)
class Senses(Traced):
    """The cues ``seen`` and ``heard``: how many frames, how many seconds."""

    frames: int = 3
    strategy: str = "uniform"
    rate: int = 8_000

    def fields(self) -> tuple[str, ...]:
        return ("seen", "heard")

    def video(self) -> Frames:
        return Frames(count=self.frames, size=(24, 32), strategy=self.strategy)

    def audio(self) -> Waveform:
        return Waveform(rate=self.rate)

    def one(self, shown: Observation) -> Annotation:
        cues = {}
        if isinstance(shown.video, VideoClip):
            light = shown.video.frames.mean(axis=(1, 2, 3)).round(1).tolist()
            cues["seen"] = f"{len(light)} pictures, light {light}"
        if isinstance(shown.audio, AudioClip):
            cues["heard"] = f"{shown.audio.seconds:.1f} s at {shown.audio.rate}"
        if cues:
            return Annotation(cues=cues)
        return Annotation(reason=f"{getattr(shown.video, 'reason', '')}; {getattr(shown.audio, 'reason', '')}")


@dataclass(frozen=True, kw_only=True)
class Among(Traced):
    """The cue ``rank`` among all utterances, by length; takes all before it answers one."""

    needs_all = True

    def fields(self) -> tuple[str, ...]:
        return ("rank",)

    def load(self, device: str) -> Any:
        self.note(f"load {device}")

        def run(observations: Iterator[Observation]) -> Iterator[tuple[str, Annotation]]:
            all_ = list(observations)
            self.note(f"call {len(all_)}")
            ranked = sorted(len(o.query.target.text) for o in all_)
            for one in all_:
                place = ranked.index(len(one.query.target.text))
                yield one.query.target.id, Annotation(cues={"rank": f"{place + 1} of {len(all_)}"})

        return run


def part(annotator: Annotator, name: str | None = None) -> ComponentRef:
    return ComponentRef(name=name or type(annotator).__name__.lower(), params=asdict(annotator), component=annotator)


def talk(*texts: str, name: str = "c", split: Any = "train", **more: Any) -> Conversation:
    said = (Utterance(id=f"{name}_u{i}", text=text, speaker="Ann", **more) for i, text in enumerate(texts))
    return Conversation(id=name, split=split, utterances=tuple(said))


def fill(
    folder: Path, annotator: Annotator, conversations: Sequence[Conversation], corpus: Any = None, **more: Any
) -> CueTable:
    """Ask one annotator, under the name ``it``."""
    hashes, options = Hashes(folder / "hashes.json"), PassOptions(**more)
    return annotate(CueStore(folder / "cues"), {"it": part(annotator)}, conversations, corpus, hashes, options)


def read(folder: Path, annotator: Annotator, conversations: Sequence[Conversation], corpus: Any = None) -> CueTable:
    """What the store has."""
    hashes = Hashes(folder / "hashes.json")
    return look(CueStore(folder / "cues"), {"it": part(annotator)}, conversations, corpus, hashes)


def lines(trace: Path, start: str = "asked") -> list[str]:
    found = trace.read_text().splitlines() if trace.exists() else []
    return [line for line in found if line.startswith(start)]


def tone(seconds: float, rate: int = 8_000) -> Any:
    return (0.3 * np.sin(np.arange(round(seconds * rate)) / 5)).astype("float32")
