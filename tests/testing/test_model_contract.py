"""Each check of the contract of backbones and trainers fails for a component that breaks it, and says why."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import merc
import merc.testing
from merc.testing.examples import backbone, trainer
from tests.testing.broken import frozen, said


def test_backbone_that_breaks_its_contract() -> None:
    @frozen
    class Broken(backbone.Example):
        def config(self) -> Any:
            config = super().config()
            config.num_hidden_layers += next(counter) % 2
            config.vocab_size = 40
            return config

        def load(self, device: str) -> Any:
            return super().load(device).double().train()

    counter = itertools.count()
    contract = merc.testing.BackboneContract
    assert "config() of Broken describes another model than load() gives; they differ at ['model.layers.2." in said(
        contract, Broken(), "test_config_describes_the_model"
    )
    assert said(contract, Broken(), "test_weights_are_held_as_dtype_says").endswith(
        "is torch.float64; dtype: float32 was asked for"
    )
    assert said(contract, Broken(), "test_tokenizer_reads_and_writes_text").endswith("and the model has 40 embeddings")


def test_backbone_that_is_random_or_training() -> None:
    @frozen
    class Broken(backbone.Example):
        def load(self, device: str) -> Any:
            return replace(backbone.Example(), seed=next(counter)).load(device).train()

    counter = itertools.count()
    contract = merc.testing.BackboneContract
    assert said(contract, Broken(), "test_loading_again_gives_the_same_model") == (
        "Broken gives another model the second time; seed what is random"
    )
    assert said(contract, Broken(), "test_weights_are_held_as_dtype_says") == (
        "load() gives a model in training mode; call .eval() on it"
    )


def test_backbone_that_loses_media() -> None:
    @frozen
    class Broken(backbone.Example):
        def slot(self, slot: merc.SlotTokens) -> Any:
            return (merc.MediaRun(1),) if next(counter) else super().slot(slot)

    counter = itertools.count()
    contract = merc.testing.BackboneContract
    assert "lays the same slot out otherwise" in said(contract, _uneven(), "test_slots_are_laid_out_whole")
    assert "lays out 1 tokens of the stream 'face', which has 5" in said(
        contract, Broken(), "test_slots_are_laid_out_whole"
    )


def _uneven() -> Any:
    @frozen
    class Broken(backbone.Example):
        def slot(self, slot: merc.SlotTokens) -> Any:
            return (merc.Text("a" * next(counter)), merc.MediaRun(slot.count))

    counter = itertools.count()
    return Broken()


def broken_trainer(before: Callable[[Any], None], report: Callable[[Any], Any] = lambda report: report) -> Any:
    @frozen
    class Broken(trainer.Example):
        def train(self, job: Any) -> Any:
            before(job)
            return report(super().train(job))

    return Broken()


def _unfreeze(job: Any) -> None:
    job.model.requires_grad_(True)


def _spoil(job: Any) -> None:
    import torch

    with torch.no_grad():
        next(p for p in job.model.parameters() if not p.requires_grad).add_(1.0)


@pytest.mark.parametrize(
    ("component", "check", "message"),
    [
        (
            broken_trainer(lambda job: None, lambda report: None),
            "test_reports_what_it_did",
            "train() gives NoneType; it must give merc.TrainReport",
        ),
        (
            broken_trainer(lambda job: job.log({"loss": 1.0})),
            "test_reports_what_it_did",
            "the record {'loss': 1.0} has no 'event'",
        ),
        (
            broken_trainer(lambda job: job.progress(2.0, "x")),
            "test_reports_what_it_did",
            "progress is the share done, from 0 to 1 and never less than before, not [2.0,",
        ),
        (
            broken_trainer(lambda job: job.log({"event": json})),
            "test_reports_what_it_did",
            "log.jsonl cannot hold {'event': <module 'json'",
        ),
        (broken_trainer(_unfreeze), "test_frozen_parameters_stay_as_they_are", "parameter 'llm.model.layers.1."),
        (broken_trainer(_spoil), "test_frozen_parameters_stay_as_they_are", "parameter 'llm.model.layers.1."),
    ],
)
def test_trainer_that_breaks_its_contract(component: Any, check: str, message: str, tmp_path: Path) -> None:
    assert said(merc.testing.TrainerContract, component, check, tmp_path).startswith(message)


def test_trainer_that_ignores_the_seed(tmp_path: Path) -> None:
    @frozen
    class Broken(trainer.Example):
        def train(self, job: Any) -> Any:
            return replace(trainer.Example(), lr=0.01 * next(counter)).train(job)

    counter = itertools.count(1)
    message = said(merc.testing.TrainerContract, Broken(), "test_same_seed_gives_same_numbers", tmp_path)
    assert message.startswith("trained twice with the same seed, parameter 'llm.")


def test_trainer_that_does_not_resume(tmp_path: Path) -> None:
    @frozen
    class Broken(trainer.Example):
        def train(self, job: Any) -> Any:
            if job.resume:
                return merc.TrainReport(steps=0, epochs=0, seconds=0)
            return super().train(job)

    message = said(merc.testing.TrainerContract, Broken(), "test_resume_reaches_the_same_numbers", tmp_path)
    assert message.startswith("stopped in the middle and resumed, parameter 'llm.")


def test_trainer_that_swallows_an_interrupt(tmp_path: Path) -> None:
    @frozen
    class Broken(trainer.Example):
        def train(self, job: Any) -> Any:
            try:
                return super().train(job)
            except BaseException:
                return merc.TrainReport(steps=0, epochs=0, seconds=0)

    message = said(merc.testing.TrainerContract, Broken(), "test_resume_reaches_the_same_numbers", tmp_path)
    assert message == "Broken went on after an interrupt; let it through"
