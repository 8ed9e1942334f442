"""The hooks: what a plugin may implement. One a kind, in callback form.

A hook is given ``register(name, target, *, needs=(), extra=None)``: ``target`` is ``"module:Class"`` and is imported
only when a recipe uses the name; ``needs`` are modules that must be installed for it (checked without importing them);
``extra`` is what to ``pip install`` when they are not. Commands have a line of help as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pluggy

PROJECT = "merc"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Register(Protocol):
    """What a hook is called with."""

    def __call__(self, name: str, target: str, *, needs: Sequence[str] = (), extra: str | None = None) -> None:
        """Claim a name for the class at ``target``."""


class RegisterCommand(Protocol):
    """What ``register_commands`` is called with."""

    def __call__(
        self, name: str, target: str, *, help: str, needs: Sequence[str] = (), extra: str | None = None
    ) -> None:
        """Claim ``merc NAME`` for the function or typer app at ``target``; ``merc --help`` shows the line ``help``."""


@hookspec
def register_encoders(register: Register) -> None:
    """Register encoders: decoded media to features."""


@hookspec
def register_connectors(register: Register) -> None:
    """Register connectors: features to tokens of the LLM's width."""


@hookspec
def register_fusers(register: Register) -> None:
    """Register fusers: several streams of features to one further stream."""


@hookspec
def register_prompters(register: Register) -> None:
    """Register prompters: a conversation and a target to a prompt."""


@hookspec
def register_tunings(register: Register) -> None:
    """Register tunings: which of a backbone's weights learn, and what is added to it."""


@hookspec
def register_losses(register: Register) -> None:
    """Register losses: what a step of training makes smaller."""


@hookspec
def register_heads(register: Register) -> None:
    """Register heads: hidden states to numbers, or to several labels at once."""


@hookspec
def register_decoders(register: Register) -> None:
    """Register decoders: how a label is had of the model."""


@hookspec
def register_trainers(register: Register) -> None:
    """Register trainers: a model and the prompts of a stage to a trained state."""


@hookspec
def register_rewards(register: Register) -> None:
    """Register rewards: how good an answer is that a model wrote."""


@hookspec
def register_corpora(register: Register) -> None:
    """Register corpora: where conversations come from."""


@hookspec
def register_backbones(register: Register) -> None:
    """Register backbones: how a large language model is loaded."""


@hookspec
def register_annotators(register: Register) -> None:
    """Register annotators: teachers that write cues beside an utterance."""


@hookspec
def register_segmenters(register: Register) -> None:
    """Register segmenters: where in a recording somebody speaks, and who."""


@hookspec
def register_transcribers(register: Register) -> None:
    """Register transcribers: what is said in a stretch of sound."""


@hookspec
def register_selectors(register: Register) -> None:
    """Register selectors: which labelled utterances stand in a prompt as demonstrations."""


@hookspec
def register_metrics(register: Register) -> None:
    """Register metrics: predictions to numbers."""


@hookspec
def register_corruptions(register: Register) -> None:
    """Register corruptions: what an evaluation's media and words would be like in worse conditions."""


@hookspec
def register_trackers(register: Register) -> None:
    """Register trackers: where else the numbers of a run are shown as they come."""


@hookspec
def register_workers(register: Register) -> None:
    """Register workers: where the jobs of a pass over data are done."""


@hookspec
def register_benchmarks(register: Register) -> None:
    """Register benchmarks: the columns of a benchmark's table."""


@hookspec
def register_runs(register: Register) -> None:
    """Register runs: trained runs that a plugin brings, ready to predict."""


@hookspec
def register_commands(register: RegisterCommand) -> None:
    """Register commands: what ``merc NAME`` does."""


KINDS: dict[str, str] = {
    "encoder": "register_encoders",
    "connector": "register_connectors",
    "fuser": "register_fusers",
    "prompter": "register_prompters",
    "tuning": "register_tunings",
    "loss": "register_losses",
    "head": "register_heads",
    "decoder": "register_decoders",
    "trainer": "register_trainers",
    "reward": "register_rewards",
    "corpus": "register_corpora",
    "backbone": "register_backbones",
    "annotator": "register_annotators",
    "segmenter": "register_segmenters",
    "transcriber": "register_transcribers",
    "selector": "register_selectors",
    "metric": "register_metrics",
    "corruption": "register_corruptions",
    "tracker": "register_trackers",
    "workers": "register_workers",
    "benchmark": "register_benchmarks",
    "run": "register_runs",
    "command": "register_commands",
}
"""Each kind of component, and the hook that registers it."""
