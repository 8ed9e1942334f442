"""What whole runs need: a plugin with tiny encoders, a tiny backbone, a tiny corpus, and a way to run ``merc``."""

from __future__ import annotations

import json
import shutil
import struct
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.forking import Forks
from tests.letters import LETTERS
from tests.registry.distributions import Distribution, install
from tests.tiny_backbone import save_tiny_backbone, save_tiny_corpus

PLUGIN = """\
import merc

@merc.hookimpl
def register_encoders(register):
    register("letters", "merc_tiny.parts:ThreeWords")
    register("loudness", "merc_tiny.parts:Loudness")

@merc.hookimpl
def register_prompters(register):
    register("describe", "merc_tiny.parts:Describe")
    register("turns", "merc_tiny.parts:Turns")
"""

MODELS = """\
import merc

@merc.hookimpl
def register_encoders(register):
    register("look", "tests.learning:Look")
    register("tower", "tests.native:Tower")

@merc.hookimpl
def register_backbones(register):
    register("native", "tests.native:Native")
"""

PARTS = (
    LETTERS
    + """

@dataclass(frozen=True, kw_only=True)
class ThreeWords(Letters):
    words: int | None = 3
    missing: str = "house"


@dataclass(frozen=True, kw_only=True)
class Loudness(merc.Encoder):
    modality = "audio"

    def sampling(self):
        return merc.Waveform(rate=16_000)

    def spec(self):
        return merc.FeatureSpec(dim=1, tokens=1)

    def load(self, device):
        return lambda clips: [np.array([[np.abs(c.samples).mean()]], "float32") for c in clips]


@dataclass(frozen=True, kw_only=True)
class Describe(merc.Prompter):
    '''Asks for the words of the target again: an alignment task whose answer is a text.'''

    stream: str = "words"

    def streams(self):
        return (self.stream,)

    def prompt(self, query):
        said = query.target
        segments = (merc.Text("Heard:"), merc.Slot(self.stream, said.id), merc.Answer(text=said.text))
        return merc.Prompt(segments, said.id)


@dataclass(frozen=True, kw_only=True)
class Turns(merc.Prompter):
    '''Asks in a user's turn, and shows nothing of what was said before.'''

    def prompt(self, query):
        said = query.target
        return merc.Prompt((merc.Turn("user"), merc.Text(f"{said.text} LABEL:"), merc.Answer()), said.id)
"""
)

MEDIA = """\
corpus: {name: jsonl, path: talk.jsonl}
backbone: {name: hf, path: FOLDER/backbone, tuning: {name: lora, r: 4, alpha: 8, dropout: 0.1}}
labels: [joy, anger, sadness]
encoders:
  words: {name: letters}
  voice: {name: loudness}
connectors:
  words: {name: linear, normalize: train, dropout: 0.1}
  both: {name: mlp, width: 16}
fusers:
  both: {name: concat, width: 8, inputs: [words, voice]}
stages:
  - id: align
    prompter: {name: describe}
    trainer: {name: sft, lr: 5e-3, batch_conversations: 3, checkpoint_every: 2}
    trainable: [connectors.words]
  - id: merc
    prompter: {name: conversation, media: [words, both]}
    trainer:
      {name: sft, epochs: 2, lr: 5e-3, batch_conversations: 3, batch_tokens: 128, evaluate_every: 3,
       checkpoint_every: 2}
evaluate: {metrics: [classification]}
strategy: {device: cpu, threads: 1, batch_tokens: 256}
"""

TEXT = """\
corpus: {name: jsonl, path: talk.jsonl}
backbone: {name: hf, path: FOLDER/backbone, tuning: {name: lora, r: 4, alpha: 8, dropout: 0.1}}
labels: [joy, anger, sadness]
stages:
  - id: merc
    prompter: {name: conversation}
    trainer: {name: sft, epochs: 2, lr: 5e-3, batch_conversations: 3, batch_tokens: 128}
evaluate: {metrics: [classification]}
strategy: {device: cpu, threads: 1, batch_tokens: 256}
"""


@pytest.fixture(scope="session")
def merc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """``merc`` in a process of its own, with the tiny plugin installed."""
    site = install([Distribution("tiny", PLUGIN, {"parts.py": PARTS})], tmp_path_factory.mktemp("tiny"))
    forks = Forks(site, tmp_path_factory.mktemp("cache"))
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """``merc`` in a process of its own, with an encoder that may learn and a native multimodal backbone."""
    site = install([Distribution("models", MODELS)], tmp_path_factory.mktemp("models"))
    forks = Forks(site, tmp_path_factory.mktemp("models-cache"), plugins="models")
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``backbone/``, ``talk.jsonl`` and sound files for two utterances of three."""
    folder = tmp_path_factory.mktemp("parts")
    save_tiny_backbone(folder / "backbone")
    talk = save_tiny_corpus(folder / "talk.jsonl")
    conversations = [json.loads(line) for line in talk.read_text().splitlines()]
    said = [u for conversation in conversations for u in conversation["utterances"]]
    for number, utterance in enumerate(said):
        if number % 3:
            utterance["audio"] = f"{utterance['id']}.wav"
            _write_sound(folder / utterance["audio"], 100 * number)
    talk.write_text("".join(json.dumps(conversation) + "\n" for conversation in conversations))
    return folder


@pytest.fixture
def work(parts: Path, tmp_path: Path) -> Path:
    """A folder of a test's own with the parts, ``text.yaml`` (one stage) and ``media.yaml`` (two stages)."""
    return lay_out(parts, tmp_path)


def lay_out(parts: Path, folder: Path) -> Path:
    """Put the parts and the recipes into a folder; gives the folder."""
    for part in parts.iterdir():
        if part.name == "talk.jsonl":  # tests write their own over it
            shutil.copyfile(part, folder / part.name)
        else:
            (folder / part.name).symlink_to(part)
    for name, text in (("text.yaml", TEXT), ("media.yaml", MEDIA)):
        (folder / name).write_text(text.replace("FOLDER", str(folder)))
    return folder


def _write_sound(path: Path, height: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(struct.pack("<3200h", *([height, -height] * 1600)))
