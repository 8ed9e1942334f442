"""The loop: the same numbers for the same seed, the best state on dev, early stopping, going on."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from merc.builtin.losses import TokenNLL
from merc.builtin.tunings import LoRA
from merc.conversation import Conversation
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.training.interrupt import Stopped
from merc.training.loop import fit
from merc.training.settings import Settings
from tests.training.jobs import Seen, context_of, cut_off, model_of, same_state, state_of, trained

LORA = LoRA(r=4, alpha=8, dropout=0.2)


class Looks:
    """Looks at dev that give the values in turn, and keep the state at each."""

    def __init__(self, model: EmotionModel, *values: float) -> None:
        self.model, self.values = model, list(values)
        self.states: list[dict[str, Any]] = []

    def __call__(self) -> Mapping[str, Any]:
        assert not self.model.training
        self.states.append(state_of(self.model))
        return {"weighted_f1": self.values[len(self.states) - 1], "accuracy": 0.5, "per_class": {"joy": {}}}


def test_one_seed_one_result(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    settings = Settings(epochs=2, lr=5e-3, batch_conversations=3)
    runs = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        model = model_of(backbone, LORA)
        report, seen = trained(model, talks, tmp_path / name, settings, seed=seed)
        assert (report.steps, report.epochs) == (8, 2.0)
        runs.append((state_of(model), seen.losses))
    assert same_state(runs[0][0], runs[1][0]) and runs[0][1] == runs[1][1]
    assert not same_state(runs[0][0], runs[2][0]) and runs[0][1][0] != runs[2][1][0]


@pytest.mark.parametrize(("warmup", "notes"), [(8, 0), (9, 1)])
def test_a_warmup_that_is_longer_than_the_stage_is_said(
    backbone: Path, talks: list[Conversation], tmp_path: Path, warmup: int, notes: int
) -> None:
    settings = Settings(epochs=2, batch_conversations=3, warmup_steps=warmup)
    report, seen = trained(model_of(backbone), talks, tmp_path, settings)
    assert report.steps == 8
    told = [
        "warmup_steps is 9 and the stage has 8 steps, so the learning rate never reaches lr; lower warmup_steps"
    ] * notes
    assert [sentence for sentence in seen.said if "warmup" in sentence] == told


def test_it_learns_and_says_what_it_does(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    report, seen = trained(model_of(backbone), talks, tmp_path, Settings(epochs=6, lr=5e-2, batch_conversations=3))
    assert seen.losses[-1] < 0.9 * seen.losses[0]
    steps = seen.events("step")
    assert [record["step"] for record in steps] == list(range(1, 25))
    assert [record["epoch"] for record in steps[:5]] == [0.25, 0.5, 0.75, 1.0, 1.25]
    assert all(record["stage"] == "merc" and record["tokens"] > 0 for record in steps)
    assert seen.shares == [pytest.approx(number / 24) for number in range(1, 25)]
    assert report.best is None and not report.stopped_early and report.seconds > 0


def test_the_best_state_on_dev_is_kept(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model = model_of(backbone)
    looks = Looks(model, 0.1, 0.5, 0.5, 0.2)
    settings = Settings(epochs=4, lr=5e-3, batch_conversations=6)
    report, seen = trained(model, talks, tmp_path, settings, evaluate=looks)
    assert report.best == {"metric": "weighted_f1", "value": 0.5, "step": 4, "epoch": 2.0}
    assert same_state(state_of(model), looks.states[1]) and not same_state(looks.states[1], looks.states[3])
    assert [record["step"] for record in seen.events("dev")] == [2, 4, 6, 8]
    assert seen.events("dev")[1]["metrics"] == {"weighted_f1": 0.5, "accuracy": 0.5}
    assert not model.training


def test_without_looks_the_last_state_is_kept(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    settings = Settings(epochs=2, lr=5e-3, batch_conversations=6)
    one, two = model_of(backbone), model_of(backbone)
    trained(one, talks, tmp_path / "one", settings)
    looks = Looks(two, 0.1, 0.2)
    trained(two, talks, tmp_path / "two", settings, evaluate=looks)
    assert same_state(state_of(one), looks.states[-1])


@pytest.mark.parametrize(("every", "steps"), [(None, [4, 8]), (3, [3, 6, 8]), (2, [2, 4, 6, 8]), (100, [8])])
def test_when_it_looks(
    every: int | None, steps: list[int], backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    model = model_of(backbone)
    settings = Settings(epochs=2, batch_conversations=3, evaluate_every=every)
    _, seen = trained(model, talks, tmp_path, settings, evaluate=Looks(model, *[0.5] * 9))
    assert [record["step"] for record in seen.events("dev")] == steps


def test_early_stopping(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model = model_of(backbone)
    looks = Looks(model, 0.1, 0.5, 0.4, 0.5, 0.9)
    settings = Settings(epochs=9, lr=5e-3, batch_conversations=12, patience=2)
    report, _ = trained(model, talks, tmp_path, settings, evaluate=looks)
    assert (report.stopped_early, report.steps, report.epochs) == (True, 4, 4.0)
    assert report.best is not None and report.best["step"] == 2
    assert same_state(state_of(model), looks.states[1])


def test_going_on_after_early_stopping_trains_no_more(
    backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    settings = Settings(epochs=9, lr=5e-3, batch_conversations=12, patience=1)
    model = model_of(backbone)
    first, _ = trained(model, talks, tmp_path, settings, evaluate=Looks(model, 0.5, 0.4))
    again = model_of(backbone)
    second, seen = trained(again, talks, tmp_path, settings, evaluate=Looks(again), resume=True)
    assert seen.log == [] and seen.rewound == [2]
    assert replace(second, seconds=first.seconds) == first
    assert same_state(state_of(model), state_of(again))


def test_looks_before_a_sudden_end_count_for_early_stopping(
    backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    settings = Settings(epochs=9, lr=5e-3, batch_conversations=12, patience=2)
    model = model_of(backbone)
    looks = Looks(model, 0.5, 0.4)
    cut_off(model, talks, tmp_path, settings, 3, evaluate=looks)
    model = model_of(backbone)
    report, _ = trained(model, talks, tmp_path, settings, evaluate=Looks(model, 0.45), resume=True)
    assert (report.stopped_early, report.steps) == (True, 3)
    assert same_state(state_of(model), looks.states[0])


@pytest.mark.parametrize("name", ["weighted_f2", "per_class"])
def test_a_metric_that_dev_does_not_have(name: str, backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model = model_of(backbone)
    with pytest.raises(MercError) as error:
        trained(model, talks, tmp_path, Settings(select_by=name), evaluate=Looks(model, 0.5))
    assert str(error.value) == (
        f"stages.merc.trainer.select_by: there is no dev metric {name!r}; there are: weighted_f1, accuracy"
    )


@pytest.mark.parametrize("after", [1, 2, 3, 5, 7])
def test_cut_off_and_going_on(after: int, backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    """Ended suddenly behind any step, with dropout, looks and a schedule: the same numbers in the end."""
    settings = Settings(epochs=2, lr=5e-3, batch_conversations=3, warmup_steps=2, evaluate_every=3, checkpoint_every=2)
    values = {3: 0.5, 6: 0.7, 8: 0.6}

    def looks(seen: Seen) -> Callable[[], Mapping[str, Any]]:
        return lambda: {"weighted_f1": values[seen.events("step")[-1]["step"]]}

    whole, all_of_it = model_of(backbone, LORA), Seen()
    report, _ = trained(whole, talks, tmp_path / "whole", settings, seen=all_of_it, evaluate=looks(all_of_it))
    seen = Seen()
    cut_off(model_of(backbone, LORA), talks, tmp_path / "cut", settings, after, seen=seen, evaluate=looks(seen))
    resumed = model_of(backbone, LORA, seed=3)
    told = Seen(log=list(seen.log))
    again, _ = trained(resumed, talks, tmp_path / "cut", settings, seen=told, evaluate=looks(told), resume=True)
    came_to = (after - 1) // 2 * 2  # the last checkpoint before the step that was logged and not kept
    assert told.rewound == [came_to]
    assert [record["step"] for record in told.events("step")] == [*range(1, after + 1), *range(came_to + 1, 9)]
    assert told.losses[after:] == all_of_it.losses[came_to:]
    assert replace(again, seconds=report.seconds) == report and report.best is not None and report.best["step"] == 6
    assert same_state(state_of(whole), state_of(resumed))


def test_a_best_state_after_the_last_checkpoint_is_not_taken_for_another(
    backbone: Path, talks: list[Conversation], tmp_path: Path
) -> None:
    """Cut off behind a look that was the best, and on going on is not: the state of the earlier one is still there."""
    settings = Settings(epochs=1, lr=5e-3, batch_conversations=2, evaluate_every=2, checkpoint_every=100)
    model = model_of(backbone)
    first = Looks(model, 0.5, 0.9)

    def stop_behind_the_first(record: Mapping[str, Any]) -> None:
        if record["event"] == "step" and record["step"] == 3:
            signal.raise_signal(signal.SIGTERM)

    context, _ = context_of(model, talks, tmp_path, evaluate=first)
    with pytest.raises(Stopped):
        fit(replace(context, log=stop_behind_the_first), settings, (TokenNLL(),))
    model = model_of(backbone)
    cut_off(model, talks, tmp_path, settings, 2, evaluate=Looks(model, 0.9), resume=True)
    assert {path.name for path in tmp_path.glob("best-*")} == {"best-00000002.safetensors", "best-00000004.safetensors"}
    model = model_of(backbone)
    report, _ = trained(model, talks, tmp_path, settings, evaluate=Looks(model, 0.4, 0.3), resume=True)
    assert report.best is not None and report.best["step"] == 2
    assert same_state(state_of(model), first.states[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop(number: int, backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    settings = Settings(epochs=2, lr=5e-3, batch_conversations=3)
    whole = model_of(backbone)
    trained(whole, talks, tmp_path / "whole", settings)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def log(record: Mapping[str, Any]) -> None:
        if record["step"] == 3:
            signal.raise_signal(number)

    context, _ = context_of(model_of(backbone), talks, tmp_path / "cut")
    with pytest.raises(Stopped) as stopped:
        fit(replace(context, log=log), settings, (TokenNLL(),))
    assert str(stopped.value) == "stopped in stage 'merc' at step 3 of 8; --resume goes on"
    assert stopped.value.signal == number
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert "checkpoint-00000003" in [path.name for path in (tmp_path / "cut").iterdir()]
    resumed = model_of(backbone)
    trained(resumed, talks, tmp_path / "cut", settings, resume=True)
    assert same_state(state_of(whole), state_of(resumed))


def test_asked_to_stop_after_the_last_step(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    model = model_of(backbone)
    looks = Looks(model, 0.5, 0.4)
    settings = Settings(epochs=2, lr=5e-3, batch_conversations=12)

    def log(record: Mapping[str, Any]) -> None:
        if record["event"] == "dev" and record["step"] == 2:
            signal.raise_signal(signal.SIGTERM)

    context, _ = context_of(model, talks, tmp_path, evaluate=looks)
    with pytest.raises(Stopped, match="at step 2 of 2"):
        fit(replace(context, log=log), settings, (TokenNLL(),))
    resumed = model_of(backbone)
    report, seen = trained(resumed, talks, tmp_path, settings, evaluate=Looks(resumed), resume=True)
    assert seen.log == [] and report.steps == 2
    assert same_state(state_of(resumed), looks.states[0])


def test_asked_twice_it_stops_at_once(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    def log(record: Mapping[str, Any]) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    context, _ = context_of(model_of(backbone), talks, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(replace(context, log=log), Settings(), (TokenNLL(),))
    assert list(tmp_path.iterdir()) == []


def test_a_budget_that_fills_differently_each_epoch(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    """The schedule ends with the last step, and dev is looked at there, though epochs differ in their steps."""
    settings = Settings(epochs=6, batch_conversations=None, batch_tokens=230, evaluate_every=1000, schedule="linear")
    model = model_of(backbone)
    report, seen = trained(model, talks, tmp_path, settings, evaluate=Looks(model, 0.5))
    ends = [sum(record["epoch"] <= epoch for record in seen.events("step")) for epoch in range(7)]
    counts = {after - before for before, after in pairwise(ends)}
    assert len(counts) > 1, "choose another budget: all epochs have as many steps"
    assert report.epochs == 6.0 and [record["step"] for record in seen.events("dev")] == [report.steps]
    rates = [record["lr"] for record in seen.events("step")]
    assert rates == [pytest.approx(settings.lr * (1 - step / report.steps)) for step in range(report.steps)]
