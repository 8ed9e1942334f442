"""Each check of the contract of backbones and trainers fails for a component that breaks it, and says why."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

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
        def train(self, context: Any) -> Any:
            before(context)
            return report(super().train(context))

    return Broken()


def _unfreeze(context: Any) -> None:
    context.network.requires_grad_(True)


def _spoil(context: Any) -> None:
    with torch.no_grad():
        next(p for p in context.network.parameters() if not p.requires_grad).add_(1.0)


@pytest.mark.parametrize(
    ("component", "check", "message"),
    [
        (
            broken_trainer(lambda context: None, lambda report: None),
            "test_reports_what_it_did",
            "train() gives NoneType; it must give merc.TrainReport",
        ),
        (
            broken_trainer(lambda context: context.log({"loss": 1.0})),
            "test_reports_what_it_did",
            "the record {'loss': 1.0} has no 'event'",
        ),
        (
            broken_trainer(lambda context: context.progress(2.0, "x")),
            "test_reports_what_it_did",
            "progress is the share done, from 0 to 1 and never less than before, not [2.0,",
        ),
        (
            broken_trainer(lambda context: context.log({"event": json})),
            "test_reports_what_it_did",
            "log.jsonl cannot hold {'event': <module 'json'",
        ),
        (broken_trainer(_unfreeze), "test_frozen_parameters_stay_as_they_are", "parameter 'llm.model.layers.1."),
        (broken_trainer(_spoil), "test_frozen_parameters_stay_as_they_are", "parameter 'llm.model.layers.1."),
    ],
)
def test_trainer_that_breaks_its_contract(component: Any, check: str, message: str, tmp_path: Path) -> None:
    assert said(merc.testing.TrainerContract, component, check, tmp_path).startswith(message)


@pytest.mark.parametrize(
    ("does", "message"),
    [
        (lambda context: trainer.Example().train(context), "before and after check(), parameter 'llm."),
        (lambda context: torch.rand(1), "check() uses up torch's random numbers"),
        (lambda context: (context.folder / "note").write_text("?"), "check() wrote into the stage's folder: "),
    ],
)
def test_trainer_whose_check_changes_something(does: Callable[[Any], Any], message: str, tmp_path: Path) -> None:
    @frozen
    class Broken(trainer.Example):
        def check(self, context: Any) -> None:
            does(context)

    assert said(merc.testing.TrainerContract, Broken(), "test_check_changes_nothing", tmp_path).startswith(message)


def test_trainer_that_ignores_the_seed(tmp_path: Path) -> None:
    @frozen
    class Broken(trainer.Example):
        def train(self, context: Any) -> Any:
            return replace(trainer.Example(), lr=0.01 * next(counter)).train(context)

    counter = itertools.count(1)
    message = said(merc.testing.TrainerContract, Broken(), "test_same_seed_gives_same_numbers", tmp_path)
    assert message.startswith("trained twice with the same seed, parameter 'llm.")


def test_trainer_that_does_not_resume(tmp_path: Path) -> None:
    @frozen
    class Broken(trainer.Example):
        def train(self, context: Any) -> Any:
            if context.resume:
                return merc.TrainReport(steps=0, epochs=0, seconds=0)
            return super().train(context)

    message = said(merc.testing.TrainerContract, Broken(), "test_resume_reaches_the_same_numbers", tmp_path, True)
    assert message.startswith("Broken did not train by the recipe's strategy")


def test_trainer_that_resumes_to_other_numbers(tmp_path: Path) -> None:
    @frozen
    class Broken(trainer.Example):
        def train(self, context: Any) -> Any:
            return replace(trainer.Example(), lr=1e-3 if context.resume else 1e-4).train(context)

    message = said(merc.testing.TrainerContract, Broken(), "test_resume_reaches_the_same_numbers", tmp_path, True)
    assert message.startswith("ended in the middle and resumed, parameter 'llm.")


def test_trainer_that_swallows_an_interrupt(tmp_path: Path) -> None:
    @frozen
    class Broken(trainer.Example):
        def train(self, context: Any) -> Any:
            try:
                return super().train(context)
            except BaseException:
                return merc.TrainReport(steps=0, epochs=0, seconds=0)

    message = said(merc.testing.TrainerContract, Broken(), "test_resume_reaches_the_same_numbers", tmp_path, True)
    assert message == "Broken went on after an interrupt; let it through"


def test_trainer_that_does_not_use_the_strategy(tmp_path: Path) -> None:
    @frozen
    class Broken(merc.Trainer):
        def train(self, context: Any) -> Any:
            import torch

            optimizer = torch.optim.SGD([p for p in context.network.parameters() if p.requires_grad], lr=0.1)
            optimizer.step()
            return merc.TrainReport(steps=1, epochs=1, seconds=0)

    message = said(merc.testing.TrainerContract, Broken(), "test_trains_by_the_strategy", tmp_path)
    assert "did not train by the recipe's strategy" in message and "merc.training.fit" in message


def test_trainer_that_changes_weights_beside_the_strategy(tmp_path: Path) -> None:
    def nudge(context: Any) -> None:
        import torch

        with torch.no_grad():
            next(p for p in context.network.parameters() if p.requires_grad).add_(1.0)

    @frozen
    class Broken(trainer.Example):
        def train(self, context: Any) -> Any:
            return super().train(replace(context, evaluate=lambda: nudge(context) or {"weighted_f1": 0.5}))

    message = said(merc.testing.TrainerContract, replace(Broken(), epochs=2), "test_trains_by_the_strategy", tmp_path)
    assert "changed outside of the strategy" in message and "parameter 'llm." in message


def test_trainer_that_miscounts_its_steps(tmp_path: Path) -> None:
    broken = broken_trainer(lambda context: None, lambda report: replace(report, steps=report.steps + 1))
    message = said(merc.testing.TrainerContract, broken, "test_trains_by_the_strategy", tmp_path)
    assert "reports 3 steps" in message and "the strategy took 2" in message
