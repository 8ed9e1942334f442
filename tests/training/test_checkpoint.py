"""Checkpoints: whole or not there, and whose they are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

from merc.conversation import Conversation
from merc.errors import MercError
from merc.training.checkpoint import Progress, checkpoints, load_best, load_checkpoint, remove_checkpoints
from merc.training.settings import Settings
from merc.training.strategy import TorchStrategy
from merc.training.update import parameter_groups
from tests.training.jobs import cut_off, model_of, same_state, state_of, trained

SETTINGS = Settings(epochs=2, lr=5e-3, batch_conversations=3, checkpoint_every=1)


@pytest.fixture(scope="module")
def cut_run(backbone: Path, talks: list[Conversation], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage that was ended in its fourth step: tests copy it."""
    folder = tmp_path_factory.mktemp("cut")
    cut_off(model_of(backbone), talks, folder, SETTINGS, after=4)
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    backbone: Path, talks: list[Conversation], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Tensor]:
    """The state at the end of the same stage, where nothing ended it."""
    model = model_of(backbone)
    trained(model, talks, tmp_path_factory.mktemp("whole"), SETTINGS)
    return state_of(model)


FILES = ("checksums.json", "model.safetensors", "optimizer.safetensors", "progress.json")


def test_the_two_newest_are_kept_and_no_pickle(backbone: Path, talks: list[Conversation], tmp_path: Path) -> None:
    cut_off(model_of(backbone), talks, tmp_path, SETTINGS, after=4)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [f"checkpoint-0000000{step}/{name}" for step in (2, 3) for name in FILES]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = {
    "cut": cut,
    "flipped": flip,
    "emptied": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
    "a list": lambda path: path.write_text("[]"),
    "a folder": make_a_folder,
}


def loaded(backbone: Path, folder: Path) -> tuple[Progress | None, list[str]]:
    """What a new strategy goes on from, and what was said of it."""
    strategy, model, said = TorchStrategy(), model_of(backbone), []
    strategy.prepare(model, parameter_groups(model, SETTINGS), "model")
    return load_checkpoint(folder, strategy, said.append), said


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    backbone: Path, tmp_path: Path, cut_run: Path, name: str, damage: str
) -> None:
    if (name, damage) == ("checksums.json", "gone"):
        pytest.skip("an older merc wrote none")
    folder = Path(shutil.copytree(cut_run, tmp_path / "cut"))
    DAMAGES[damage](folder / "checkpoint-00000003" / name)
    progress, said = loaded(backbone, folder)
    assert progress is not None and progress.step == 2
    (sentence,) = said
    # A hash that changed is found as a file that changed.
    named = "checkpoint-00000003" if (name, damage) == ("checksums.json", "flipped") else f"checkpoint-00000003/{name}"
    assert str(folder / named) in sentence and "goes on from checkpoint-00000002" in sentence


def test_the_numbers_are_the_same_after_a_damaged_checkpoint(
    backbone: Path, talks: list[Conversation], tmp_path: Path, undisturbed: dict[str, Tensor], cut_run: Path
) -> None:
    folder = Path(shutil.copytree(cut_run, tmp_path / "cut"))
    flip(folder / "checkpoint-00000003" / "optimizer.safetensors")
    resumed = model_of(backbone)
    _, seen = trained(resumed, talks, folder, SETTINGS, resume=True)
    assert seen.rewound == [2] and same_state(undisturbed, state_of(resumed)) and len(seen.said) == 1


def test_the_damaged_checkpoint_does_not_push_out_a_whole_one(backbone: Path, tmp_path: Path, cut_run: Path) -> None:
    folder = Path(shutil.copytree(cut_run, tmp_path / "cut"))
    flip(folder / "checkpoint-00000003" / "model.safetensors")
    loaded(backbone, folder)
    assert [path.name for path in checkpoints(folder)] == ["checkpoint-00000002"]


def test_where_all_are_damaged_the_message_says_what_to_do(
    backbone: Path, talks: list[Conversation], tmp_path: Path, cut_run: Path, undisturbed: dict[str, Tensor]
) -> None:
    folder = Path(shutil.copytree(cut_run, tmp_path / "cut"))
    for found in checkpoints(folder):
        cut(found / "optimizer.safetensors")
    with pytest.raises(MercError, match="no checkpoint of the stage can be read: ") as told:
        trained(model_of(backbone), talks, folder, SETTINGS, resume=True)
    assert f"take {folder} away" in str(told.value) and "checkpoint-00000003/optimizer.safetensors" in str(told.value)
    shutil.rmtree(folder)  # the advice works
    resumed = model_of(backbone)
    trained(resumed, talks, folder, SETTINGS, resume=True)
    assert same_state(undisturbed, state_of(resumed))


@pytest.mark.parametrize(
    "progress",
    [
        '{"step": "3"}',
        '{"step": 3.5}',
        '{"step": true}',
        '{"step": 3, "best": {"metric": 1}}',
        '{"step": 3, "best": "yes"}',
        '{"step": ' + "9" * 5000 + "}",
        "[" * 100_000,
    ],
)
def test_a_progress_of_other_types_is_damage(backbone: Path, tmp_path: Path, cut_run: Path, progress: str) -> None:
    """Without checksums too, as a checkpoint of an older merc has none."""
    folder = Path(shutil.copytree(cut_run, tmp_path / "cut"))
    (folder / "checkpoint-00000003" / "checksums.json").unlink()
    (folder / "checkpoint-00000003" / "progress.json").write_text(progress)
    found, said = loaded(backbone, folder)
    assert found is not None and found.step == 2
    assert len(said) == 1 and "progress.json is damaged: " in said[0]


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_best_state_is_passed_over_with_its_checkpoint(
    backbone: Path, talks: list[Conversation], tmp_path: Path, damage: str
) -> None:
    """The best state of the newest checkpoint is another than that of the one before it."""
    scores = iter([0.1, 0.2, 0.3, 0.25])
    settings = replace(SETTINGS, evaluate_every=1, select_by="score")
    cut_off(model_of(backbone), talks, tmp_path, settings, after=4, evaluate=lambda: {"score": next(scores)})
    kept = sorted(path.name for path in tmp_path.glob("best-*"))
    assert kept == ["best-00000002.safetensors", "best-00000003.safetensors"]
    DAMAGES[damage](tmp_path / "best-00000003.safetensors")
    progress, said = loaded(backbone, tmp_path)
    assert progress is not None and progress.best is not None
    assert progress.step == 2 and progress.best.step == 2
    assert str(tmp_path / "best-00000003.safetensors") in said[0]


def test_half_a_checkpoint_counts_for_nothing(
    backbone: Path, talks: list[Conversation], tmp_path: Path, undisturbed: dict[str, Tensor], cut_run: Path
) -> None:
    cut = Path(shutil.copytree(cut_run, tmp_path / "cut"))
    shutil.copytree(cut / "checkpoint-00000003", cut / ".checkpoint-00000004.tmp")  # while it is written
    (cut / "checkpoint-00000002" / "model.safetensors").unlink()
    assert [path.name for path in checkpoints(cut)] == ["checkpoint-00000002", "checkpoint-00000003"]
    resumed = model_of(backbone)
    _, seen = trained(resumed, talks, cut, SETTINGS, resume=True)
    assert seen.rewound == [3] and same_state(undisturbed, state_of(resumed))
    (cut / ".best-00000004.safetensors.xyz.tmp").touch()
    remove_checkpoints(cut)
    assert list(cut.iterdir()) == []


def test_nothing_to_go_on_from(backbone: Path, tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, TorchStrategy()) is None


def test_a_checkpoint_of_another_strategy(backbone: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-00000002"
    folder.mkdir()
    (folder / "progress.json").write_text('{"step": 2}')
    (folder / "deepspeed.json").write_text('{"zero": 2, "world": 2}')
    model, strategy = model_of(backbone), TorchStrategy()
    strategy.prepare(model, parameter_groups(model, SETTINGS), "model")
    with pytest.raises(MercError) as error:
        load_checkpoint(tmp_path, strategy)
    assert str(error.value) == (
        f"{folder} was written by strategy deepspeed with ZeRO 2 in 2 processes, which alone can go on from it. "
        "Resume with: torchrun --nproc-per-node 2 -m merc run RECIPE strategy.name=deepspeed strategy.zero=2 --resume "
        "(RECIPE and the other arguments as before), or start again in a new run directory (--run-dir)"
    )


def test_a_best_state_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(MercError) as error:
        load_best(tmp_path, 7)
    assert str(error.value) == (
        f"{tmp_path / 'best-00000007.safetensors'}, the best state so far, is gone, so the stage can't be finished; "
        f"take {tmp_path} away, and --resume trains the stage again from its beginning"
    )
