"""What all of a stage takes, from a few of its steps: what is counted must be what the stage does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from merc.builtin.losses import TokenNLL
from merc.conversation import Conversation
from merc.training.loop import fit
from merc.training.probe import Seconds, StepProbe, extrapolated, spread_over
from merc.training.settings import Settings
from tests.training.jobs import context_of, model_of, same_state, state_of


def _spent(*walls: float) -> list[Seconds]:
    return [Seconds(wall, 2 * wall) for wall in walls]


def test_a_line_is_laid_through_what_was_tried() -> None:
    tried = list(zip([10.0, 20.0, 30.0], _spent(3, 5, 7), strict=True))  # 1 + 0.2 a token
    whole = extrapolated(tried, [10.0, 40.0, 50.0])
    assert (whole.wall, whole.cpu) == (pytest.approx(23), pytest.approx(46))


def test_times_that_shrink_with_the_size_are_taken_in_proportion() -> None:
    tried = list(zip([10.0, 20.0, 30.0], _spent(6, 6, 3), strict=True))
    assert extrapolated(tried, [40.0]).wall == pytest.approx(40 * 15 / 60)
    assert extrapolated([(10.0, Seconds(2, 1))], [10.0, 30.0]) == Seconds(8, 4)


def test_places_stand_for_all_sizes() -> None:
    sizes = [float(n) for n in range(100)]
    places = spread_over(sizes, 4)
    assert sorted(places) == [12, 37, 62, 87]
    assert sorted(spread_over(sizes[:2], 8)) == [0, 1]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(epochs=3, batch_conversations=3, checkpoint_every=2),
        Settings(epochs=2, batch_conversations=1, evaluate_every=3, checkpoint_every=100),
    ],
)
def test_it_counts_what_the_stage_does_and_changes_no_weight(
    backbone: Path, talks: list[Conversation], tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(backbone)
    asked = []

    def evaluate() -> dict[str, float]:
        asked.append(1)
        return {"weighted_f1": 0.5}

    probe = StepProbe()
    context, seen = context_of(model, talks, tmp_path / "probe", evaluate=evaluate)
    before = state_of(model)
    fit(replace(context, probe=probe), settings, (TokenNLL(),))
    assert same_state(before, state_of(model))
    assert len(asked) == 1 and not seen.events("step")
    asked.clear()

    written = []
    save = "merc.training.loop.save_checkpoint"
    monkeypatch.setattr(save, lambda folder, strategy, progress, average: written.append(progress.step))
    context, seen = context_of(model, talks, tmp_path / "whole", evaluate=evaluate)
    fit(context, settings, (TokenNLL(),))
    (estimate,) = probe.estimates
    assert estimate.steps == len(seen.events("step"))
    assert estimate.evaluations == len(asked)
    assert estimate.checkpoints == len(written)
    assert 0 < estimate.tried <= estimate.steps
    assert estimate.training.wall > 0 and estimate.checkpoint.wall > 0
