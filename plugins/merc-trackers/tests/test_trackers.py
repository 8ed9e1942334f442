"""The trackers, with the libraries themselves where these are installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from merc_trackers.tensorboard import TensorBoard
from merc_trackers.trackio import Trackio
from merc_trackers.wandb import Wandb
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

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
    read = curves(tmp_path / "curves")
    assert [(one.step, one.value) for one in read.Scalars("learn/loss")] == [(1, 1.0), (2, 0.5), (4, 0.25)]
    assert [(one.step, one.value) for one in read.Scalars("test/weighted_f1")] == [(4, 0.25)]
    texts = {tag: read.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in read.Tags()["tensors"]}
    assert "seed: 3" in texts["recipe/text_summary"] and "‘One’" in texts["recipe/text_summary"]
    assert texts["notes/text_summary"] == "1 of 2 clips has no voice"


def test_a_run_that_goes_on_replaces_the_steps_after_its_checkpoint(tmp_path: Path) -> None:
    tracked(tmp_path / "curves", 1, 2, 3)
    tracked(tmp_path / "curves", 3, 4, resumed=True)
    assert [one.step for one in curves(tmp_path / "curves").Scalars("learn/loss")] == [1, 2, 3, 4]


def test_a_folder_of_ones_own_holds_a_folder_for_each_run(tmp_path: Path) -> None:
    tracked(tmp_path / "not-here", 1, tracker=TensorBoard(folder=str(tmp_path / "all")))
    assert curves(tmp_path / "all" / "one").Scalars("learn/loss")[0].value == 1.0
    assert not (tmp_path / "not-here").exists()


def test_wandb_sends_only_where_it_is_asked_to() -> None:
    assert (Wandb().servers(), Wandb().variables()) == ([], [])
    online = Wandb(mode="online", server="https://wandb.example.org")
    assert (online.servers(), online.variables()) == (["https://wandb.example.org"], ["WANDB_API_KEY"])
