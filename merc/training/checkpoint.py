"""Checkpoints of a stage: whole folders named by their step, and the best state so far."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from merc.errors import MercError
from merc.files import whole_file, write_text
from merc.training.engine import Engine


def save_checkpoint(folder: Path, engine: Engine, step: int, progress: Mapping[str, Any]) -> None:
    """Write ``checkpoint-<step>``, then remove older ones and the best states that it does not know; a folder of that
    name is always whole."""
    target = folder / f"checkpoint-{step:08d}"
    temporary = folder / f".checkpoint-{step:08d}.tmp"
    if engine.first:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    engine.barrier()
    engine.save(temporary)
    engine.barrier()
    if engine.first:
        write_text(temporary / "progress.json", json.dumps(progress))
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
        for old in checkpoints(folder)[:-1]:
            shutil.rmtree(old)
        best = progress.get("best")
        for state in folder.glob("best-*.safetensors"):
            if best is None or state != _best(folder, best["step"]):
                state.unlink()
    engine.barrier()


def checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    return sorted(p for p in folder.glob("checkpoint-*") if (p / "progress.json").exists())


def load_checkpoint(folder: Path, engine: Engine) -> dict[str, Any] | None:
    """Put the newest checkpoint into the engine and give its progress, or ``None`` if there is none."""
    found = checkpoints(folder)
    if not found:
        return None
    engine.load(found[-1])
    progress: dict[str, Any] = json.loads((found[-1] / "progress.json").read_text())
    return progress


def remove_checkpoints(folder: Path) -> None:
    """Remove what only an unfinished stage needs, and what a sudden end left of it."""
    for path in (*folder.glob("checkpoint-*"), *folder.glob(".checkpoint-*")):
        shutil.rmtree(path)
    for path in (*folder.glob("best-*.safetensors"), *folder.glob(".best-*")):
        path.unlink()


def save_best(folder: Path, state: dict[str, Tensor], step: int) -> None:
    """Keep the trained state of a step as the best so far.

    It has a file of its own: until the next checkpoint is written, the last one still names the best state before.
    """
    with whole_file(_best(folder, step)) as temporary:
        save_file(state, temporary)


def load_best(folder: Path, step: int) -> dict[str, Tensor]:
    """The state that was the best at a step. Raises MercError if its file is gone."""
    path = _best(folder, step)
    if not path.exists():
        raise MercError(f"{path} is gone, so the stage can't be finished; start it again in a new run directory")
    state: dict[str, Tensor] = load_file(path)
    return state


def _best(folder: Path, step: int) -> Path:
    return folder / f"best-{step:08d}.safetensors"
