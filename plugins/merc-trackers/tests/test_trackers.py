"""The trackers, with the libraries themselves where these are installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from merc_trackers.tensorboard import TensorBoard
from merc_trackers.trackio import Trackio
from merc_trackers.wandb import Wandb
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

import merc
import merc.testing


class TestTensorBoard(merc.testing.TrackerContract):
    component = TensorBoard()
    name = "tensorboard"


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
class TestWandb(merc.testing.TrackerContract):
    component = Wandb()
    name = "wandb"


@pytest.mark.skipif(find_spec("trackio") is None, reason="trackio is not installed")
class TestTrackio(merc.testing.TrackerContract):
    component = Trackio()
    name = "trackio"


@pytest.fixture(autouse=True)
def _files_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Event files of one second are read in the order of their numbers as texts, so a test's begin at 1."""
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))


def curves(folder: Path) -> EventAccumulator:
    read = EventAccumulator(str(folder))
    read.Reload()
    return read


def tracked(folder: Path, *steps: int, resumed: bool = False, tracker: TensorBoard | None = None) -> None:
    run = merc.TrackedRun(name="one", folder=folder, title="One", recipe={"seed": 3, "title": "‘One’"}, resumed=resumed)
    told = (tracker or TensorBoard()).start(run)
    for step in steps:
        told.numbers({"learn/loss": 1 / step, "learn/lr": 0.5}, step)
    told.note("1 of 2 clips has no voice")
    told.end({"test/weighted_f1": 0.25})


def test_tensorboard_reads_curves_recipe_notes_and_final_numbers(tmp_path: Path) -> None:
    tracked(tmp_path / "curves", 1, 2, 4)
    learned = curves(tmp_path / "curves" / "learn").Scalars("learn/loss")
    assert [(one.step, one.value) for one in learned] == [(1, 1.0), (2, 0.5), (4, 0.25)]
    read = curves(tmp_path / "curves")
    assert [(one.step, one.value) for one in read.Scalars("test/weighted_f1")] == [(4, 0.25)]
    texts = {tag: read.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in read.Tags()["tensors"]}
    assert "seed: 3" in texts["recipe/text_summary"] and "‘One’" in texts["recipe/text_summary"]
    assert texts["notes/text_summary"] == "1 of 2 clips has no voice"


def goes_on(folder: Path) -> merc.Tracking:
    return TensorBoard().start(merc.TrackedRun(name="one", folder=folder, title="One", recipe={}, resumed=True))


def steps(folder: Path, curve: str) -> list[int]:
    return [one.step for one in curves(folder / curve.partition("/")[0]).Scalars(curve)]


def test_a_run_that_goes_on_replaces_the_steps_after_its_checkpoint(tmp_path: Path) -> None:
    tracked(tmp_path, 1, 2, 3)
    tracked(tmp_path, 3, 4, resumed=True)
    assert steps(tmp_path, "learn/loss") == [1, 2, 3, 4]


def test_notes_before_the_first_step_of_a_run_that_goes_on_hide_nothing(tmp_path: Path) -> None:
    tracked(tmp_path, 1, 2, 3, 4)
    again = goes_on(tmp_path)
    again.note("the backbone was fetched again")
    for step in (4, 5):
        again.numbers({"learn/loss": 1.0}, step)
    again.end({})
    assert steps(tmp_path, "learn/loss") == [1, 2, 3, 4, 5]
    assert len(curves(tmp_path).Tensors("notes/text_summary")) == 2


def test_going_on_in_a_later_stage_leaves_the_earlier_ones_as_they_are(tmp_path: Path) -> None:
    first = TensorBoard().start(merc.TrackedRun(name="one", folder=tmp_path, title="One", recipe={}))
    for step in (1, 2, 3):
        first.numbers({"one/loss": 1.0}, step)
    for step in (1, 2, 3):
        first.numbers({"two/loss": 1.0}, step)
    first.end({})
    again = goes_on(tmp_path)
    again.numbers({"two/loss": 0.5}, 2)
    again.end({})
    assert (steps(tmp_path, "one/loss"), steps(tmp_path, "two/loss")) == ([1, 2, 3], [1, 2])


@pytest.mark.parametrize("metrics", [{}, {"test/weighted_f1": 0.5}])
def test_a_run_that_goes_on_without_training_keeps_its_curves(tmp_path: Path, metrics: dict[str, float]) -> None:
    tracked(tmp_path, 1, 2)
    again = goes_on(tmp_path)
    again.note("stage learn: done before")
    again.end(metrics)
    assert steps(tmp_path, "learn/loss") == [1, 2]
    assert len(curves(tmp_path).Scalars("test/weighted_f1")) == 1 + len(metrics)


def test_an_evaluation_at_the_step_of_the_checkpoint_keeps_that_steps_loss(tmp_path: Path) -> None:
    tracked(tmp_path, 1, 2)
    again = goes_on(tmp_path)
    again.numbers({"learn/dev/weighted_f1": 0.5}, 2)  # of a soup, made after the last step
    again.end({})
    assert steps(tmp_path, "learn/loss") == [1, 2] and steps(tmp_path, "learn/dev/weighted_f1") == [2]


def test_a_folder_of_ones_own_holds_a_folder_for_each_run(tmp_path: Path) -> None:
    tracked(tmp_path / "not-here", 1, tracker=TensorBoard(folder=str(tmp_path / "all")))
    assert curves(tmp_path / "all" / "one" / "learn").Scalars("learn/loss")[0].value == 1.0
    assert not (tmp_path / "not-here").exists()


def test_wandb_sends_only_where_it_is_asked_to() -> None:
    assert (Wandb().servers(), Wandb().variables()) == ([], [])
    online = Wandb(mode="online", server="https://wandb.example.org")
    assert (online.servers(), online.variables()) == (["https://wandb.example.org"], ["WANDB_API_KEY"])
