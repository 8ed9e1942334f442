from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

import merc
from merc.components import (
    Annotator,
    Backbone,
    Connector,
    Corpus,
    Corruption,
    Encoder,
    Fuser,
    Metric,
    Prompter,
    Selector,
    Trainer,
)

if TYPE_CHECKING:
    from nowhere import Nothing


@dataclass(frozen=True, kw_only=True)
class ToyVideo(Encoder):
    modality = "video"
    frames: int = 8
    size: tuple[int, int] | None = None
    sampling_rate: float = 2.0

    def __post_init__(self):
        if self.frames < 1:
            raise ValueError(f"frames counts from 1, not {self.frames}")

    def sampling(self):
        return merc.Frames(count=self.frames)

    def spec(self):
        return merc.FeatureSpec(dim=4)

    def load(self, device):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ToyLearner(ToyVideo):
    def prepare(self):
        raise NotImplementedError

    def build(self):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ToyAudio(Encoder):
    modality = "audio"
    window: float = 0.5

    def sampling(self):
        return merc.Waveform()

    def spec(self):
        return merc.FeatureSpec(dim=2)

    def load(self, device):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ToyWords(Encoder):
    modality = "text"

    def sampling(self):
        return merc.Words()

    def spec(self):
        return merc.FeatureSpec(dim=3)

    def load(self, device):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ToyDemanding(ToyWords):
    words: int


@dataclass(frozen=True, kw_only=True)
class BrokenSelector(Selector):
    def comparison(self):
        raise RuntimeError("no idea")

    def load(self, pool):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ToyLinear(Connector):
    bias: bool = True

    def build(self, spec, hidden):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ToyJoin(Fuser):
    heads: int = 1

    def spec(self, inputs):
        return merc.FeatureSpec(dim=sum(one.dim for one in inputs.values()))

    def build(self, inputs):
        raise NotImplementedError

    def tokens(self, counts):
        return 1


@dataclass(frozen=True, kw_only=True)
class ToySilent(ToyJoin):
    def spec(self, inputs):
        return None


@dataclass(frozen=True, kw_only=True)
class ToyPrompt(Prompter):
    question: str = "Emotion:"
    uses: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    def prompt(self, query):
        raise NotImplementedError

    def streams(self):
        return self.uses

    def cue_fields(self):
        if self.reads == ("broken",):
            raise RuntimeError("no idea")
        return self.reads


@dataclass(frozen=True, kw_only=True)
class BrokenPrompt(ToyPrompt):
    def streams(self):
        raise RuntimeError("no idea")


@dataclass(frozen=True, kw_only=True)
class ToyPlain(Prompter):
    def prompt(self, query):
        return merc.Prompt((merc.Text(query.target.text), merc.Answer()), query.target.id)


@dataclass(frozen=True, kw_only=True)
class ToyText(Prompter):
    def prompt(self, query):
        return merc.Prompt((merc.Text("Again:"), merc.Answer(text=query.target.text)), query.target.id)


@dataclass(frozen=True, kw_only=True)
class ToyTrainer(Trainer):
    epochs: int = 1
    lr: float = 1e-3
    schedule: Literal["cosine", "linear"] = "cosine"
    early: bool = False

    def train(self, context):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ToyCorpus(Corpus):
    path: Path
    rank: int = 3

    def load(self):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ToyOther(Corpus):
    path: Path

    def load(self):
        raise NotImplementedError


@dataclass(frozen=True)
class Cut:
    start: float
    end: float = 1.0

    def __post_init__(self):
        if self.end <= self.start:
            raise ValueError(f"end ({self.end}) comes after start ({self.start})")


@dataclass(frozen=True, kw_only=True)
class ToyTyped(Corpus):
    number: float = 1.0
    count: int | None = None
    words: tuple[str, ...] = ()
    pair: tuple[int, int] = (1, 2)
    weights: Mapping[str, float] = field(default_factory=dict)
    mode: Literal["a", "bb"] | None = None
    cut: Cut | None = None
    cuts: tuple[Cut, ...] = ()
    files: tuple[Path, ...] = ()
    folders: Mapping[str, Path] = field(default_factory=dict)
    where: Path | None = None
    either: Literal["all"] | tuple[str, ...] = "all"
    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    api_key: str | None = None
    text: str = ""

    def load(self):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Crash(Corpus):
    def __post_init__(self):
        raise KeyError("bug")

    def load(self):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Untyped(Corpus):
    thing: Nothing | None = None

    def load(self):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ToyBackbone(Backbone):
    size: int = 1

    def config(self):
        raise NotImplementedError

    def tokenizer(self):
        raise NotImplementedError

    def load(self, device):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ToyMetric(Metric):
    top: int = 1
    reads: tuple[str, ...] = ()

    def needs(self):
        return self.reads

    def compute(self, predictions, labels):
        return {}


@dataclass(frozen=True, kw_only=True)
class ToyTeacher(Annotator):
    writes: tuple[str, ...] = ("face", "body")

    def fields(self):
        if not self.writes:
            raise RuntimeError("no idea")
        return self.writes

    def load(self, device):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ToyMute(Prompter):
    """Shows a stream and no words."""

    def streams(self):
        return ["video"]

    def prompt(self, query):
        return merc.Prompt((merc.Slot("video", query.target.id), merc.Answer()), query.target.id)


@dataclass(frozen=True, kw_only=True)
class ToyHiss(Corruption):
    modalities = ("audio",)
    unit = "dB"
    severities: tuple[float, ...] = (1.0, 2.0)
    loud: float = 1.0

    def fault(self, severity):
        return None if severity >= 0 else "is below 0"


@dataclass(frozen=True, kw_only=True)
class ToySpell(Corruption):
    modalities = ("text",)
    unit = "of words"
    severities: tuple[float, ...] = (0.5,)
