"""Checkpoints: whole or not there, and whose they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from merc.conversation import Conversation
from merc.errors import MercError
from merc.training.checkpoint import checkpoints, load_best, load_checkpoint, remove_checkpoints
from merc.training.engine import TorchEngine
from merc.training.settings import Settings
from merc.training.update import parameter_groups
from tests.training.jobs import cut_off, model_of, same_state, state_of, trained

SETTINGS = Settings(epochs=2, lr=5e-3, conversations=3, checkpoint_every=1)


def test_only_the_newest_is_kept_and_no_pickle(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    cut_off(model_of(backbone), talks, tmp_path, SETTINGS, after=4)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    folder = "checkpoint-00000003"
    assert files == [f"{folder}/{name}" for name in ("model.safetensors", "optimizer.safetensors", "progress.json")]


def test_half_a_checkpoint_counts_for_nothing(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    whole = model_of(backbone)
    trained(whole, talks, tmp_path / "whole", SETTINGS)
    cut = tmp_path / "cut"
    cut_off(model_of(backbone), talks, cut, SETTINGS, after=4)
    shutil.copytree(cut / "checkpoint-00000003", cut / ".checkpoint-00000004.tmp")  # while it is written
    shutil.copytree(cut / "checkpoint-00000003", cut / "checkpoint-00000002")  # while it is removed
    (cut / "checkpoint-00000002" / "model.safetensors").unlink()
    assert [path.name for path in checkpoints(cut)] == ["checkpoint-00000002", "checkpoint-00000003"]
    resumed = model_of(backbone)
    _, seen = trained(resumed, talks, cut, SETTINGS, resume=True)
    assert seen.rewound == [3] and same_state(state_of(whole), state_of(resumed))
    (cut / ".best-00000004.safetensors.xyz.tmp").touch()
    remove_checkpoints(cut)
    assert list(cut.iterdir()) == []


def test_nothing_to_go_on_from(backbone: Path, tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, TorchEngine()) is None


def test_a_checkpoint_of_another_engine(backbone: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-00000002"
    folder.mkdir()
    (folder / "progress.json").write_text('{"step": 2}')
    (folder / "deepspeed.json").write_text('{"zero": 2, "world": 2}')
    model, engine = model_of(backbone), TorchEngine()
    engine.prepare(model, parameter_groups(model, SETTINGS), "model")
    with pytest.raises(MercError) as error:
        load_checkpoint(tmp_path, engine)
    assert str(error.value) == (
        f"{folder} was written by engine deepspeed with ZeRO 2 in 2 processes, which alone can go on from it. "
        "Resume with: torchrun --nproc-per-node 2 -m merc run RECIPE engine.name=deepspeed engine.zero=2 --resume "
        "(RECIPE and what else was said as before), or start again in a new run directory (--run-dir)"
    )


def test_a_best_state_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(MercError) as error:
        load_best(tmp_path, 7)
    assert str(error.value) == (
        f"{tmp_path / 'best-00000007.safetensors'} is gone, so the stage can't be finished; start it again in a new "
        "run directory"
    )
