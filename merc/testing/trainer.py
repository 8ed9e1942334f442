"""The contract of trainers."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from merc.components import Example, Query, Trainer, TrainReport, Tuning
from merc.testing import samples
from merc.testing.contract import ComponentContract, require
from merc.testing.examples.backbone import Example as TinyBackbone
from merc.testing.examples.prompter import Example as PlainPrompter

if TYPE_CHECKING:
    from torch import Tensor

    from merc.model.emotion_model import EmotionModel
    from merc.training.context import StageContext


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
    """What a trainer reported. After ``stop_after`` steps it is interrupted: suddenly, or by SIGTERM."""

    stop_after: int | None = None
    sudden: bool = True
    log: list[Mapping[str, Any]] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def take(self, record: Mapping[str, Any]) -> None:
        self.log.append(dict(record))
        if record.get("event") == "step" and self.steps == self.stop_after:
            if self.sudden:
                raise _Interrupted
            signal.raise_signal(signal.SIGTERM)

    def progress(self, share: float, line: str) -> None:
        self.shares.append(share)

    def rewind(self, step: int) -> None:
        self.log = [r for r in self.log if r.get("step", 0) <= step]

    @property
    def steps(self) -> int:
        return sum(record.get("event") == "step" for record in self.log)


class Watching:
    """A strategy, when it stands before one in a class: it sees that nothing else changes the model."""

    network: EmotionModel | None = None
    steps = 0

    def prepare(self, model: EmotionModel, groups: list[Any], precision: str) -> None:
        """Take the model as it is."""
        super().prepare(model, groups, precision)  # type: ignore[misc]
        self.network = model
        self._keep()

    def step(self, lr_scale: float, max_norm: float | None) -> float:
        """Count a step."""
        self.check()
        norm: float = super().step(lr_scale, max_norm)  # type: ignore[misc]
        self.steps += 1
        self._keep()
        return norm

    def load(self, folder: Path) -> None:
        """A checkpoint changes the model."""
        super().load(folder)  # type: ignore[misc]
        self._keep()

    def restore(self, state: dict[str, Tensor]) -> None:
        """The best state changes the model."""
        super().restore(state)  # type: ignore[misc]
        self._keep()

    def check(self) -> None:
        """Fail where parameters have changed since."""
        assert self.network is not None
        for name, value in _state(self.network).items():
            require(
                value.equal(self._known[name]),
                f"parameter {name!r} changed outside of the strategy, so DeepSpeed would not see it; train by "
                "merc.training.fit",
            )

    def _keep(self) -> None:
        assert self.network is not None
        self._known = _state(self.network)


class TrainerContract(ComponentContract):
    """What a trainer must keep, on the strategy torch and on DeepSpeed in two processes (where it is installed).

    It trains a small random model on the sample conversation twelve times, in the CPU's time of a second or so;
    override ``network`` and ``examples`` for one that needs more. A test of it stands at the top level of its module,
    since the two processes import it.
    """

    kind = "trainer"
    component: ClassVar[Trainer]

    def network(self) -> EmotionModel:
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
        """Those of one conversation, twelve times."""
        talk, ask = samples.conversation(), PlainPrompter()
        queries = [Query(conversation=talk, index=i, labels=samples.LABELS) for i in range(len(talk.utterances))]
        return [[Example(query, ask) for query in queries]] * 12

    def train(
        self,
        folder: Path,
        resume: bool = False,
        stop_after: int | None = None,
        sudden: bool = True,
        strategy: Any = None,
    ) -> tuple[EmotionModel, TrainReport | None, _Events]:
        """Train, to the end or until so many steps were taken; then there is no report."""
        from merc.training.interrupt import Stopped
        from merc.training.strategy import TorchStrategy

        strategy = strategy or _watching(TorchStrategy)()
        events, network = _Events(stop_after, sudden), self.network()
        folder.mkdir(exist_ok=True)
        context = self._context(network, events, folder, strategy, resume)
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            report: TrainReport | None = self.component.train(context)
        except (_Interrupted, Stopped):
            report = None
        finally:
            signal.signal(signal.SIGTERM, before)
        require(
            strategy.network is not None,
            f"{self.title} did not train by the recipe's strategy; train by merc.training.fit",
        )
        strategy.check()
        return network, report, events

    def _context(
        self, network: EmotionModel, events: _Events, folder: Path, strategy: Any, resume: bool = False
    ) -> StageContext:
        """A stage of that model."""
        from merc.session.shared_model import SharedModel
        from merc.training.context import StageContext

        return StageContext(
            stage="check",
            model=SharedModel(model=network, prompter=PlainPrompter(), labels=samples.LABELS, strategy=strategy),
            network=network,
            labels=samples.LABELS,
            examples=self.examples,
            evaluate=lambda: {"weighted_f1": 0.5, "accuracy": 0.5, "macro_f1": 0.5, "uar": 0.5},
            strategy=strategy,
            folder=folder,
            seed=7,
            resume=resume,
            log=events.take,
            rewind=events.rewind,
            progress=events.progress,
        )

    def test_check_changes_nothing(self, tmp_path: Path) -> None:
        """``check`` lets what can be trained through, and leaves the model, its folder, and random numbers as they
        are."""
        import torch

        from merc.training.strategy import TorchStrategy

        strategy = _watching(TorchStrategy)()
        events, network = _Events(), self.network()
        learning, draw = set(network.learning()), torch.get_rng_state()
        self.component.check(self._context(network, events, tmp_path, strategy))
        _require_equal(self.network(), network, "before and after check()")
        require(set(network.learning()) == learning, "after check() of the trainer other parameters learn than before")
        require(torch.equal(torch.get_rng_state(), draw), "check() uses up torch's random numbers; leave them alone")
        require(not strategy.steps and not events.steps, "check() took steps; it only sees whether train() could begin")
        require(not any(tmp_path.iterdir()), f"check() wrote into the stage's folder: {next(tmp_path.iterdir(), '')}")

    def test_reports_what_it_did(self, tmp_path: Path) -> None:
        """A TrainReport comes back; records can be written as JSON, progress goes up from 0 to 1."""
        _, report, events = self.train(tmp_path)
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

    def test_trains_by_the_strategy(self, tmp_path: Path) -> None:
        """All that changes the model are steps of the recipe's strategy, as many as the report counts."""
        from merc.training.strategy import TorchStrategy

        strategy = _watching(TorchStrategy)()
        _, report, events = self.train(tmp_path, strategy=strategy)
        assert report is not None
        skipped = sum(bool(record.get("skipped")) for record in events.log)
        require(strategy.steps > 0, f"{self.title} took no step of the strategy; train by merc.training.fit")
        require(
            report.steps == strategy.steps + skipped,
            f"{self.title} reports {report.steps} steps; the strategy took {strategy.steps} and {skipped} were skipped",
        )

    def test_frozen_parameters_stay_as_they_are(self, tmp_path: Path) -> None:
        """Only what may learn changes, all numbers stay finite, and what is frozen stays frozen."""
        import torch

        before = _state(self.network())
        network, _, _ = self.train(tmp_path)
        frozen = {name for name, p in self.network().named_parameters() if not p.requires_grad}
        for name, parameter in network.named_parameters():
            require(torch.isfinite(parameter).all(), f"parameter {name!r} holds NaN or infinity after training")
            if name in frozen:
                require(not parameter.requires_grad, f"parameter {name!r} was frozen and is not any more")
                require(torch.equal(parameter, before[name]), f"parameter {name!r} is frozen and has changed")

    def test_same_seed_gives_same_numbers(self, tmp_path: Path) -> None:
        """Every random choice comes from ``context.seed``."""
        import torch

        first = self.train(tmp_path / "first")
        torch.rand(3)
        second = self.train(tmp_path / "second")
        _require_equal(first[0], second[0], "trained twice with the same seed")

    @pytest.mark.parametrize("sudden", [True, False], ids=["killed", "stopped"])
    def test_resume_reaches_the_same_numbers(self, tmp_path: Path, sudden: bool) -> None:
        """Ended in the middle of an epoch, suddenly or by SIGTERM, and resumed, it ends where an uninterrupted run
        ends."""
        whole, _, events = self.train(tmp_path / "whole")
        middle = self.middle(events)
        _, report, _ = self.train(tmp_path / "ended", stop_after=middle, sudden=sudden)
        require(report is None, f"{self.title} went on after an interrupt; let it through")
        resumed, _, again = self.train(tmp_path / "ended", resume=True)
        require(
            sudden or again.steps == events.steps - middle,
            f"{self.title} was stopped by SIGTERM after step {middle} of {events.steps}, and took {again.steps} steps "
            "when it was resumed",
        )
        _require_equal(whole, resumed, "ended in the middle and resumed")

    def middle(self, events: _Events) -> int:
        """The step in the middle of those that were reported."""
        require(
            events.steps >= 2,
            f"{self.title} logs {events.steps} steps, so it cannot be stopped in the middle; give it more to learn "
            "(examples), or less in a step",
        )
        return (events.steps + 1) // 2

    @pytest.mark.slow
    def test_two_processes_learn_what_one_learns(self, tmp_path: Path) -> None:
        """With DeepSpeed in two processes it comes to the numbers of one, and goes on in the middle of an epoch."""
        import torch
        from safetensors.torch import load_file

        pytest.importorskip("deepspeed")
        alone, _, _ = self.train(tmp_path / "alone")
        _launch(type(self), tmp_path)
        shared, resumed = (load_file(tmp_path / f"{name}.safetensors") for name in ("whole", "resumed"))
        for name, value in shared.items():
            require(
                torch.allclose(value, resumed[name], rtol=1e-5, atol=1e-6),
                f"in two processes, stopped in the middle and resumed, parameter {name!r} ends with other numbers",
            )
        before, after = _state(self.network()), _state(alone)
        learned = sum(float((after[name] - value).square().sum()) for name, value in before.items()) ** 0.5
        apart = sum(float((after[name] - value).square().sum()) for name, value in shared.items()) ** 0.5
        require(
            apart < 0.05 * learned,
            f"{self.title} learns other numbers in two processes: they are {apart / learned:.0%} of what was learned "
            "apart. Every process calls the trainer alike and must give it the same examples",
        )


def _watching(strategy: type[Any]) -> Any:
    """The class of a strategy that is watched."""
    return type(f"Watched{strategy.__name__}", (Watching, strategy), {})


def _interrupt(number: int, frame: Any) -> None:
    raise _Interrupted


def _launch(contract: type[TrainerContract], folder: Path) -> None:
    """Train in two processes (``main`` of this module), each of which imports the test."""
    require(
        "<locals>" not in contract.__qualname__,
        f"{contract.__qualname__} stands inside a function, where two processes cannot import it; move it to the top "
        "level of its module",
    )
    file = inspect.getfile(contract)
    words = [str(folder), contract.__module__, file, contract.__qualname__]
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "merc.testing.two_processes", *words],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    require(done.returncode == 0, f"in two processes it failed:\n{done.stdout[-1000:]}{done.stderr[-4000:]}")


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
