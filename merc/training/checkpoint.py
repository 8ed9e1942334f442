"""Checkpoints of a stage: whole folders named by their step, and the best state so far."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from merc.files import whole_file, write_text
from merc.training.engine import Engine


def save_checkpoint(folder: Path, engine: Engine, step: int, progress: Mapping[str, Any]) -> None:
    """Write ``checkpoint-<step>`` and remove older ones; a folder of that name is always whole."""
    target = folder / f"checkpoint-{step:08d}"
    temporary = folder / f".checkpoint-{step:08d}.tmp"
    if engine.first:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    engine.barrier()
    engine.save(temporary)
    engine.barrier()
    if engine.first:
        write_text(temporary / "progress.json", json.dumps({"step": step, **progress}))
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
        for old in checkpoints(folder)[:-1]:
            shutil.rmtree(old)
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
    """Remove what only an unfinished stage needs."""
    for path in folder.glob("checkpoint-*"):
        shutil.rmtree(path)
    (folder / "best.safetensors").unlink(missing_ok=True)


def save_best(folder: Path, state: dict[str, Tensor], about: Mapping[str, Any]) -> None:
    """Keep a trained state as the best so far, with its value and step in the file itself."""
    with whole_file(folder / "best.safetensors") as temporary:
        save_file(state, temporary, metadata={"about": json.dumps(dict(about))})


def load_best(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The best state so far and what is known of it."""
    path = folder / "best.safetensors"
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        about: dict[str, Any] = json.loads(file.metadata()["about"])
    return load_file(path), about
