"""A plugin of small components, built and installed, for recipes to name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from merc.consent import forget
from merc.registry import get_registry
from tests.registry.distributions import Distribution, install

VARIABLES = ("HOME", "MY_COUNT", "MY_DATA", "MY_KEY", "MY_NAME", "NOT_SET_ANYWHERE")
"""What recipes of these tests may read of the environment."""

TOYS = Path(__file__).parent / "toys"

RECIPE = """\
title: A small recipe
seed: 3
data_root: data
labels: [joy, anger]
corpus: {name: toy-corpus, path: "${data_root}/talks.jsonl"}
backbone:
  name: toy-llm
  tuning: {name: lora, r: 8}
encoders:
  video: {name: toy-video, frames: 4}
  audio:
    name: toy-audio
    window: 0.25
connectors:
  video: {name: toy-linear}
  audio: {name: toy-linear, bias: false}
  both: {name: toy-linear}
fusers:
  both: {name: toy-join, inputs: [video, audio]}
stages:
  - id: align
    prompter: {name: toy-prompt, uses: [video]}
    trainer: {name: toy-trainer, lr: 2e-4}
    trainable: ["connectors.*"]
  - id: merc
    prompter: {name: toy-prompt, question: "What is felt?", uses: [video, both]}
    trainer: {name: toy-trainer, epochs: 3, schedule: linear}
    data: {split: train, limit: 10}
evaluate:
  splits: [test]
  metrics: [{name: toy-metric, top: 2}]
"""


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the plugin ``toys`` is installed."""
    files = {name: (TOYS / name).read_text() for name in ("plugin.py", "parts.py")}
    return install([Distribution("toys", files["plugin.py"], files)], tmp_path_factory.mktemp("toys"))


@pytest.fixture(autouse=True)
def with_toys(toys: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The registry with the toys, and with nothing that happens to be installed."""
    monkeypatch.syspath_prepend(str(toys))
    monkeypatch.setenv("MERC_PLUGINS", "toys")
    monkeypatch.setenv("MERC_ALLOW", ",".join(f"env:{name}" for name in VARIABLES))
    get_registry.cache_clear()
    forget()
    yield
    get_registry.cache_clear()
    forget()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with the recipe ``small.yaml`` in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(RECIPE)
    return tmp_path


@pytest.fixture
def merc(toys: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs the program in a process of its own."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "PYTHONPATH": str(toys), "MERC_PLUGINS": "toys", "NO_COLOR": "1", **environment}
        return subprocess.run(
            [sys.executable, "-m", "merc", *arguments], env=variables, capture_output=True, text=True, timeout=120
        )

    return run
