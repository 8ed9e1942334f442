"""What a run would take, from a little of each of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from merc.builtin.sft import SupervisedFineTuning
from merc.components import Missing, TrainContext, TrainReport, Verbalizer
from merc.errors import MercError
from merc.features import FeatureStore, FeatureTable
from merc.recipe import ComponentRef, Recipe, load_recipe
from merc.session.dry_run import RunEstimate, _StandIns, estimate_run
from merc.session.reporter import Silent
from tests.tiny_backbone import write_tiny_recipe


@dataclass(frozen=True, kw_only=True)
class OwnWay(SupervisedFineTuning):
    """Trains without ``merc.training.fit``."""

    def train(self, context: TrainContext) -> TrainReport:
        return TrainReport(epochs=1, steps=1, seconds=1.0)


@dataclass(frozen=True, kw_only=True)
class Asking(Verbalizer):
    """Would ask a server."""

    def servers(self) -> Sequence[str]:
        return ("https://example.org/v1",)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_tiny_recipe(tmp_path_factory.mktemp("tiny"), trainer="epochs: 2")


def _parts(estimate: RunEstimate) -> list[str]:
    return [part.part for part in estimate.parts]


def _with_trainer(recipe: Recipe, trainer: SupervisedFineTuning) -> Recipe:
    (stage,) = recipe.stages
    ref = ComponentRef(name="own-way", params={}, component=trainer)
    return replace(recipe, stages=(replace(stage, trainer=ref),))


def test_every_part_is_estimated_and_nothing_is_written(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    estimate = estimate_run(load_recipe(str(tiny), []), Silent())
    assert _parts(estimate) == [
        "start of Python, imports",
        "conversations",
        "queries",
        "model",
        "prompts, put together",
        "stage merc, training",
        "stage merc, evaluation on dev",
        "stage merc, checkpoints",
        "predict dev",
        "predict test",
        "metrics and report",
    ]
    assert estimate.unknown == []
    assert not list(tmp_path.iterdir())
    peaks = [part.peak_bytes for part in estimate.parts]
    assert peaks == sorted(peaks) and estimate.peak_bytes == peaks[-1] > 0
    assert estimate.seconds.wall == pytest.approx(sum(part.seconds.wall for part in estimate.parts))
    (adapters,) = [part for part in estimate.parameters if part.part == "backbone.adapters"]
    assert adapters.trainable == adapters.total > 0
    assert estimate.memory is not None
    learning = adapters.trainable
    assert estimate.memory.gradients == 4 * learning and estimate.memory.optimizer > 8 * learning


def test_a_stage_that_cannot_be_estimated_is_named_and_the_rest_goes_on(tiny: Path) -> None:
    estimate = estimate_run(_with_trainer(load_recipe(str(tiny), []), OwnWay()), Silent())
    assert estimate.unknown == ["stage merc: its trainer does not train by merc.training.fit"]
    assert not [part for part in _parts(estimate) if part.startswith("stage")]
    assert _parts(estimate)[-2:] == ["predict test", "metrics and report"]


def test_no_server_is_asked(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_ALLOW", "example.org")
    recipe = load_recipe(str(tiny), [])
    assert recipe.evaluate is not None
    recipe = replace(recipe, stages=(), evaluate=replace(recipe.evaluate, decoder=Asking(),
                     prompter=recipe.stages[0].prompter))  # fmt: skip
    estimate = estimate_run(recipe, Silent())
    assert estimate.unknown == ["evaluate: it would ask a server, which a dry run does not"]
    assert _parts(estimate)[-1] == "prompts, put together"


def test_a_recipe_without_work_is_refused_as_by_the_run(tiny: Path) -> None:
    recipe = replace(load_recipe(str(tiny), []), stages=(), evaluate=None)
    with pytest.raises(MercError, match="there is nothing to do: give stages to train, or evaluate, or both"):
        estimate_run(recipe, Silent())


def test_features_of_others_stand_in_for_those_that_are_not_encoded(tmp_path: Path) -> None:
    places = {("face", f"u{n}"): (Missing(f"reason {n}"),) for n in range(5)}
    source = _StandIns(FeatureTable(FeatureStore(tmp_path), places, {}))
    assert source("face", "u3", 0) == Missing("reason 3")
    others = {source("face", f"unknown{n}", 0) for n in range(40)}
    assert others == {place for (place,) in places.values()}
    assert source("face", "unknown7", 0) == source("face", "unknown7", 0)
