"""Trackers: what they are told of a run, and that none of them can end it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import merc
from merc.errors import MercError
from merc.recipe import ComponentRef, Recipe, load_recipe
from merc.session.directory import RunDirectory
from merc.session.pipeline import run_recipe
from merc.session.reporter import Silent
from merc.session.tracking import Trackers
from tests.tiny_backbone import save_tiny_backbone, save_tiny_corpus

RECIPE = """\
corpus: {{name: jsonl, path: talk.jsonl}}
backbone: {{name: hf, path: {folder}/backbone, tuning: {{name: lora, r: 2}}}}
labels: [joy, anger, sadness]
stages:
  - id: learn
    prompter: {{name: conversation}}
    trainer: {{name: sft, epochs: 2, batch_conversations: 1, warmup_steps: 0}}
evaluate: {{splits: [test]}}
strategy: {{device: cpu, threads: 1}}
"""
TOLD: list[tuple[Any, ...]] = []


@dataclass(frozen=True, kw_only=True)
class Told(merc.Tracker):
    """Keeps what it is told; ``fails`` at a call of that name."""

    fails: str = ""

    def start(self, run: merc.TrackedRun) -> Told:
        self._take("start", run)
        return self

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        self._take("numbers", dict(values), step)

    def note(self, sentence: str) -> None:
        self._take("note", sentence)

    def end(self, metrics: Mapping[str, float]) -> None:
        self._take("end", dict(metrics))

    def _take(self, *call: Any) -> None:
        TOLD.append(call)
        if call[0] == self.fails:
            raise OSError("no way to the tracker")


@pytest.fixture(autouse=True)
def _nothing_told() -> Iterator[None]:
    TOLD.clear()
    yield


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = tmp_path_factory.mktemp("tracked")
    save_tiny_backbone(folder / "backbone")
    save_tiny_corpus(folder / "talk.jsonl", train=2, dev=1, test=1)
    (folder / "tracked.yaml").write_text(RECIPE.format(folder=folder))
    return load_recipe(str(folder / "tracked.yaml"))


def tracked(recipe: Recipe, *trackers: merc.Tracker) -> Recipe:
    named = {f"told-{n}": ComponentRef(name="told", params={}, component=one) for n, one in enumerate(trackers)}
    return replace(recipe, trackers=named)


def test_a_run_tells_its_steps_its_evaluations_and_its_numbers(recipe: Recipe, tmp_path: Path) -> None:
    metrics = run_recipe(tracked(recipe, Told()), tmp_path / "run", Silent())
    (_, run), *told = [call for call in TOLD if call[0] != "note"]
    assert (run.name, run.resumed, run.folder) == ("run", False, tmp_path / "run" / "trackers" / "told-0")
    assert run.recipe["labels"] == ["joy", "anger", "sadness"]
    steps = [(values, step) for name, values, step in told[:-1] if name == "numbers" and "learn/loss" in values]
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [(values["learn/loss"], values["learn/losses/token-nll"], step) for values, step in steps] == [
        (one["loss"], one["losses"]["token-nll"], one["step"]) for one in log if one["event"] == "step"
    ]
    dev = [
        (values["learn/dev/weighted_f1"], step) for _, values, step in told[:-1] if "learn/dev/weighted_f1" in values
    ]
    assert dev == [(one["metrics"]["weighted_f1"], one["step"]) for one in log if one["event"] == "dev"] and dev
    assert told[-1][0] == "end" and told[-1][1]["test/weighted_f1"] == metrics["test"]["weighted_f1"]
    assert {call[1] for call in TOLD if call[0] == "note"} <= {one["text"] for one in log if one["event"] == "note"}


def test_what_losses_measure_rollouts_and_metrics_with_parts_are_told(recipe: Recipe, tmp_path: Path) -> None:
    trackers = Trackers(tracked(recipe, Told()).trackers, lambda sentence: None)
    trackers.of(recipe, RunDirectory(tmp_path / "run"), resumed=False)
    at = {"stage": "learn", "step": 4}
    trackers.record({"event": "step", **at, "loss": 1.5, "measures": {"reference-kl": {"kl": 0.2, "bad": math.nan}}})
    trackers.record({"event": "rollout", **at, "reward": 0.5, "rewards": {"format": 0.1}, "entropy": 2.5})
    trackers.record({"event": "dev", **at, "metrics": {"reweighted": {"weighted_f1": 0.6}, "confusion": [[1]]}})
    assert [call[1:] for call in TOLD if call[0] == "numbers"] == [
        ({"learn/loss": 1.5, "learn/measures/reference-kl/kl": 0.2}, 4),
        ({"learn/rollout/reward": 0.5, "learn/rollout/rewards/format": 0.1, "learn/rollout/entropy": 2.5}, 4),
        ({"learn/dev/reweighted/weighted_f1": 0.6}, 4),
    ]


@pytest.mark.parametrize("fails", ["start", "numbers", "note", "end"])
def test_one_that_fails_is_told_of_once_and_the_run_goes_on(recipe: Recipe, tmp_path: Path, fails: str) -> None:
    said: list[str] = []

    class Saying(Silent):
        def say(self, sentence: str) -> None:
            said.append(sentence)

    noted = replace(recipe, notes=("something to note",))
    metrics = run_recipe(tracked(noted, Told(fails=fails), Told()), tmp_path / "run", Saying())
    assert metrics["test"]["n"] > 0
    (sentence,) = [one for one in said if "tracker" in one]
    assert "'told-0'" in sentence and "no way to the tracker" in sentence and "goes on without it" in sentence
    assert [call[0] for call in TOLD].count("end") == (2 if fails == "end" else 1)
    again = run_recipe(recipe, tmp_path / "other", Silent())
    assert again == metrics


def test_a_stopped_run_ends_without_numbers_and_goes_on_with_another_tracker(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*given: Any, **named: Any) -> None:
        raise MercError("stopped here")

    with monkeypatch.context() as patch:
        patch.setattr("merc.session.pipeline.compute_metrics", stops)
        with pytest.raises(MercError, match="stopped here"):
            run_recipe(tracked(recipe, Told()), tmp_path / "run", Silent())
    assert TOLD[-1] == ("end", {})
    TOLD.clear()
    run_recipe(tracked(recipe, Told(), Told()), tmp_path / "run", Silent(), resume=True)
    starts = [call[1] for call in TOLD if call[0] == "start"]
    assert [run.resumed for run in starts] == [True, True] and TOLD[-1][1]["test/accuracy"] >= 0


def test_a_recipe_that_cannot_begin_leaves_no_tracked_run(recipe: Recipe, tmp_path: Path) -> None:
    broken = replace(recipe, encoders={}, stages=())
    broken = replace(broken, evaluate=replace(recipe.evaluate, splits=("train",)))
    with pytest.raises(MercError):
        run_recipe(tracked(replace(broken, evaluate=None), Told()), tmp_path / "run", Silent())
    assert TOLD == [] and not (tmp_path / "run").exists()


def test_one_that_sends_asks_first(recipe: Recipe, tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Sends(Told):
        def servers(self) -> list[str]:
            return ["https://curves.example.org"]

    with pytest.raises(MercError, match=r"tracker 'told-0'.*curves\.example\.org"):
        run_recipe(tracked(recipe, Sends()), tmp_path / "run", Silent())
    assert TOLD == [] and not (tmp_path / "run").exists()
