"""The contract of trainers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from merc.components import Example, Query, TrainContext, Trainer, TrainReport, Tuning
from merc.testing import samples
from merc.testing.contract import ComponentContract, require
from merc.testing.examples.backbone import Example as TinyBackbone
from merc.testing.examples.prompter import Example as PlainPrompter

if TYPE_CHECKING:
    from torch import Tensor

    from merc.model.emotion_model import EmotionModel


@dataclass(frozen=True, kw_only=True)
class _LastLayerFrozen(Tuning):
    """All learns but the last layer."""

    def apply(self, llm: Any) -> Any:
        llm.get_decoder().layers[-1].requires_grad_(False)
        return llm


class _Interrupted(BaseException):
    """Stands for a process that is stopped in the middle."""


@dataclass
class _Events:
    """What a trainer reported; ``stop_at`` interrupts it when so many reports have come."""

    stop_at: int | None = None
    log: list[Mapping[str, Any]] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def _count(self) -> None:
        if self.stop_at is not None and len(self.log) + len(self.shares) >= self.stop_at:
            raise _Interrupted

    def take(self, record: Mapping[str, Any]) -> None:
        self.log.append(dict(record))
        self._count()

    def progress(self, share: float, line: str) -> None:
        self.shares.append(share)
        self._count()

    def rewind(self, step: int) -> None:
        self.log = [r for r in self.log if r.get("step", 0) <= step]


class TrainerContract(ComponentContract):
    """What a trainer must keep. It trains a small random model on the sample conversation, in the CPU's time of a
    second or so; override ``model`` and ``queries`` for one that needs more."""

    kind = "trainer"
    component: ClassVar[Trainer]

    def model(self) -> EmotionModel:
        """A small model whose last layer is frozen, always with the same numbers."""
        from merc.model.emotion_model import EmotionModel
        from merc.model.media_tokens import MediaTokens
        from merc.model.tuning import tune

        backbone = TinyBackbone(layers=2, width=16)
        tuned = tune(backbone.load("cpu"), _LastLayerFrozen())
        model = EmotionModel(tuned, backbone.tokenizer(), MediaTokens({}, {}, {}, 16))
        model.probe()
        return model

    def examples(self, epoch: int) -> Sequence[Sequence[Example]]:
        """Those of one conversation, three times."""
        talk, ask = samples.conversation(), PlainPrompter()
        asked = [Query(conversation=talk, index=i, labels=samples.LABELS) for i in range(len(talk.utterances))]
        return [[Example(query, ask) for query in asked]] * 3

    def _train(
        self, folder: Path, resume: bool = False, stop_at: int | None = None
    ) -> tuple[EmotionModel, TrainReport | None, _Events]:
        from merc.training.strategy import TorchStrategy

        events, model = _Events(stop_at), self.model()
        folder.mkdir(exist_ok=True)
        job = TrainContext(
            stage="check",
            model=model,
            labels=samples.LABELS,
            examples=self.examples,
            evaluate=lambda: {"weighted_f1": 0.5, "accuracy": 0.5, "macro_f1": 0.5, "uar": 0.5},
            strategy=TorchStrategy(),
            folder=folder,
            seed=7,
            resume=resume,
            log=events.take,
            rewind=events.rewind,
            progress=events.progress,
        )
        try:
            report: TrainReport | None = self.component.train(job)
        except _Interrupted:
            report = None
        return model, report, events

    def test_reports_what_it_did(self, tmp_path: Path) -> None:
        """A TrainReport comes back; records can be written as JSON, progress goes up from 0 to 1."""
        _, report, events = self._train(tmp_path)
        require(
            isinstance(report, TrainReport), f"train() gives {type(report).__name__}; it must give merc.TrainReport"
        )
        for record in events.log:
            try:
                json.dumps(record)
            except (TypeError, ValueError) as error:
                raise AssertionError(f"log.jsonl cannot hold {record!r}: {error}") from error
            require("event" in record, f"the record {record!r} has no 'event'")
        require(
            all(0 <= share <= 1 for share in events.shares) and events.shares == sorted(events.shares),
            f"progress is the share done, from 0 to 1 and never less than before, not {events.shares}",
        )

    def test_frozen_parameters_stay_as_they_are(self, tmp_path: Path) -> None:
        """Only what may learn changes, all numbers stay finite, and what is frozen stays frozen."""
        import torch

        before = _state(self.model())
        model, _, _ = self._train(tmp_path)
        frozen = {name for name, p in self.model().named_parameters() if not p.requires_grad}
        for name, parameter in model.named_parameters():
            require(torch.isfinite(parameter).all(), f"parameter {name!r} holds NaN or infinity after training")
            if name in frozen:
                require(not parameter.requires_grad, f"parameter {name!r} was frozen and is not any more")
                require(torch.equal(parameter, before[name]), f"parameter {name!r} is frozen and has changed")

    def test_same_seed_gives_same_numbers(self, tmp_path: Path) -> None:
        """Every random choice comes from ``job.seed``."""
        import torch

        first = self._train(tmp_path / "first")
        torch.rand(3)
        second = self._train(tmp_path / "second")
        _require_equal(first[0], second[0], "trained twice with the same seed")

    def test_resume_reaches_the_same_numbers(self, tmp_path: Path) -> None:
        """Stopped in the middle and resumed, it ends where an uninterrupted run ends."""
        whole, _, events = self._train(tmp_path / "whole")
        reports = len(events.log) + len(events.shares)
        if reports < 2:
            pytest.skip(f"{self.title} reports too little to be interrupted")
        _, report, _ = self._train(tmp_path / "stopped", stop_at=reports // 2)
        require(report is None, f"{self.title} went on after an interrupt; let it through")
        resumed, _, _ = self._train(tmp_path / "stopped", resume=True)
        _require_equal(whole, resumed, "stopped in the middle and resumed")


def _state(model: EmotionModel) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def _require_equal(one: EmotionModel, two: EmotionModel, how: str) -> None:
    import torch

    other = _state(two)
    for name, value in _state(one).items():
        apart = float((value - other[name]).abs().max())
        require(
            torch.allclose(value, other[name], rtol=1e-5, atol=1e-6),
            f"{how}, parameter {name!r} ends with other numbers (by up to {apart:g})",
        )
