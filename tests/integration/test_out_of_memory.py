"""Too little memory, wherever it shows, names the key to change; what was done before is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.model.precision import computes_bfloat16
from tests.integration.conftest import lay_out
from tests.integration.forking import Forks
from tests.registry.distributions import Distribution, install

PLUGIN = """\
import merc

@merc.hookimpl
def register_encoders(register):
    register("greedy", "merc_greedy.parts:Greedy")

@merc.hookimpl
def register_backbones(register):
    register("greedy", "merc_greedy.parts:GreedyBackbone")

@merc.hookimpl
def register_trainers(register):
    register("greedy", "merc_greedy.parts:GreedyTrainer")
"""

PARTS = """\
from dataclasses import dataclass

import merc
from merc.builtin.backbones import HuggingFace
from merc.builtin.sft import SupervisedFineTuning

CPU = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate"


def run_out(how):
    import torch
    raise {"cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\\nGPU 0 has"),
           "cpu": RuntimeError(CPU + " 9 bytes."), "python": MemoryError()}[how]


@dataclass(frozen=True, kw_only=True)
class Greedy(merc.Encoder):
    modality = "text"
    how: str = "cuda"
    at: str = "clip"

    def sampling(self):
        return merc.Words()

    def spec(self):
        return merc.FeatureSpec(dim=1)

    def load(self, device):
        if self.at == "load":
            run_out(self.how)
        import numpy as np
        return lambda clips: [np.ones((1, 1), "float32") if len(c.text) < 12 else run_out(self.how) for c in clips]


@dataclass(frozen=True, kw_only=True)
class GreedyBackbone(HuggingFace):
    how: str = "cuda"

    def load(self, device):
        run_out(self.how)


@dataclass(frozen=True, kw_only=True)
class GreedyTrainer(SupervisedFineTuning):
    how: str = "cuda"

    def train(self, context):
        super().train(context)
        run_out(self.how)
"""

RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
backbone: {name: hf, path: FOLDER/backbone, tuning: {name: lora, r: 4}}
labels: [joy, anger, sadness]
stages:
  - id: merc
    prompter: {name: conversation}
    trainer: {name: sft, lr: 5e-3, batch_conversations: 3, batch_tokens: 128}
evaluate: {metrics: [classification], splits: [dev]}
strategy: {device: cpu, threads: 1, batch_tokens: 256}
"""


@pytest.fixture(scope="module")
def greedy(tmp_path_factory: pytest.TempPathFactory):
    site = install([Distribution("greedy", PLUGIN, {"parts.py": PARTS})], tmp_path_factory.mktemp("greedy"))
    forks = Forks(site, tmp_path_factory.mktemp("cache"), plugins="greedy")
    yield forks
    forks.close()


@pytest.fixture
def folder(parts: Path, tmp_path: Path) -> Path:
    folder = lay_out(parts, tmp_path)
    (folder / "r.yaml").write_text(RECIPE.replace("FOLDER", str(folder)))
    return folder


@pytest.mark.parametrize("how", ["cuda", "cpu", "python"])
@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("backbone", ("backbone, held in float32 on cpu",)),
        ("encoder", ("encoders.w ", "parameters of encoders.w")),
        ("encoder at load", ("encoders.w ", "parameters of encoders.w")),
        ("trainer", ("stages.merc: ", "trainer.batch_tokens (now 128)", "trainer.activation_checkpointing=true")),
    ],
)
def test_the_key_to_change_is_named(greedy: Forks, folder: Path, how: str, part: str, words: tuple[str, ...]) -> None:
    at = "load" if part == "encoder at load" else "clip"
    encoder = f"{{name: greedy, how: {how}, at: {at}}}"
    overrides = {
        "backbone": (f"backbone={{name: greedy, path: {folder / 'backbone'}, how: {how}, tuning: {{name: lora}}}}",),
        "trainer": (f"stages.0.trainer={{name: greedy, how: {how}, batch_tokens: 128}}",),
    }.get(part, (f"encoders.w={encoder}", "connectors.w={name: linear}", "stages.0.prompter.media=[w]",
                 f"features.store={folder / 'store'}"))  # fmt: skip
    ended = greedy(folder, "run", "r.yaml", *overrides, "--run-dir", "out")
    message = " ".join(ended.err.split())
    assert ended.code == 2 and "Traceback" not in message, message
    assert "out of memory" in message and all(word in message for word in words), message
    if part == "backbone":  # half the memory is advised where the CPU computes in it, and nowhere else
        assert ("backbone.dtype=bfloat16" in message) == computes_bfloat16("cpu"), message
    assert len([line for line in ended.err.splitlines() if line.startswith("error:")]) == 1
