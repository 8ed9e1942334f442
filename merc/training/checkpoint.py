"""Checkpoints of a stage: whole folders named by their step, and the best states that they refer to.

The two newest checkpoints are kept, so that one that is damaged costs the steps since the one before, not the stage.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from merc.errors import MercError
from merc.files import (
    checksums_of,
    damage_in,
    hash_file,
    move_folder,
    read_json,
    read_text,
    remove_folder,
    whole_file,
    write_text,
)
from merc.training.averaging import MovingAverage
from merc.training.strategy import Strategy

KEPT = 2
"""How many checkpoints stay. While one is written there is one other, so that they never take more room than this."""

_CHECKSUMS = "checksums.json"


@dataclass(frozen=True)
class Best:
    """An evaluation on dev, such as the best so far: the metric that chooses and its value, where it was, and the hash
    of the file that holds the state. ``soup`` are the steps of the states that it is the mean of."""

    metric: str
    value: float
    step: int
    epoch: float
    sha256: str = ""
    soup: tuple[int, ...] = ()


@dataclass
class Progress:
    """How far a stage has come; a checkpoint keeps it.

    ``best`` is the best evaluation on dev so far, ``evaluations_without_better`` how many came after it, ``pool`` are
    those whose states a soup is made of, ``seconds`` the time spent in all processes that worked on the stage,
    ``uncounted`` how many steps had nothing that counts for a loss, by its name, and ``skipped`` how many had nothing
    for any; ``prompts`` are those of the first epoch, of which ``unread`` count for no loss.
    """

    step: int = 0
    best: Best | None = None
    pool: list[Best] = dataclass_field(default_factory=list)
    evaluations_without_better: Annotated[
        int, Field(validation_alias=AliasChoices("evaluations_without_better", "looks_without_better"))
    ] = 0  # checkpoints of an older merc have the second name
    seconds: float = 0.0
    stopped_early: bool = False
    uncounted: dict[str, int] = dataclass_field(default_factory=dict)
    skipped: int = 0
    prompts: int = 0
    unread: int = 0


class Damaged(Exception):
    """A checkpoint that is not what was written; the message names the file."""


def save_checkpoint(folder: Path, strategy: Strategy, progress: Progress, average: MovingAverage | None = None) -> None:
    """Write ``checkpoint-<step>``, with the moving average where there is one, and remove the checkpoints before the
    last one, and the states that none of those that stay knows. A folder of that name is always whole, after a power
    cut too."""
    target = folder / f"checkpoint-{progress.step:08d}"
    temporary = folder / f".{target.name}.tmp"
    if strategy.first:
        for old in [path for path in checkpoints(folder) if path != target][: -(KEPT - 1)]:
            remove_folder(old)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    strategy.barrier()
    strategy.save(temporary)
    if average is not None:
        average.save(temporary)
    strategy.barrier()
    if strategy.first:
        write_text(temporary / "progress.json", json.dumps(asdict(progress)))
        write_text(temporary / _CHECKSUMS, json.dumps(checksums_of(temporary), indent=1))
        move_folder(temporary, target)
        needed = {_best(folder, one.step) for path in checkpoints(folder) for one in _kept_states(path)}
        for state in set(folder.glob("best-*.safetensors")) - needed:
            state.unlink()
    strategy.barrier()


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a stage, oldest first."""
    return sorted(folder.glob("checkpoint-*"))


def load_checkpoint(
    folder: Path,
    strategy: Strategy,
    say: Callable[[str], None] = lambda sentence: None,
    average: MovingAverage | None = None,
) -> Progress | None:
    """Put the newest checkpoint that is whole into the strategy and give its progress, or ``None`` if there is none.

    ``say`` reports each that is damaged and passed over. Raises MercError where all of them are.
    """
    damaged: dict[Path, str] = {}
    for checkpoint in reversed(checkpoints(folder)):
        # All processes take the same one: the first looks.
        problem = _damage(folder, checkpoint) if strategy.first else ""
        if strategy.sums([float(bool(problem))])[0]:
            damaged[checkpoint] = problem
            continue
        try:
            progress = _progress_of(checkpoint)
            strategy.load(checkpoint)
            if average is not None:
                average.load(checkpoint)
        except Damaged as error:
            damaged[checkpoint] = str(error)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            damaged[checkpoint] = f"{checkpoint} is damaged ({' '.join(str(error).split())[:200]})"
        else:
            _pass_over(damaged, checkpoint, strategy, say)
            return progress
    if damaged:
        raise MercError(
            f"no checkpoint of the stage can be read: {next(iter(damaged.values()))}; take {folder} away, and --resume "
            "trains the stage again from its beginning"
        )
    return None


def _pass_over(damaged: Mapping[Path, str], taken: Path, strategy: Strategy, say: Callable[[str], None]) -> None:
    """Say which checkpoints are damaged, and remove them: the next ones are counted without them."""
    for path, problem in damaged.items():
        if strategy.first:
            say(f"{problem}; training goes on from {taken.name}, the checkpoint before it")
            remove_folder(path)


def remove_checkpoints(folder: Path) -> None:
    """Remove what only an unfinished stage needs, and what a sudden end left of it."""
    for path in (*folder.glob("checkpoint-*"), *folder.glob(".checkpoint-*")):
        remove_folder(path)
    for path in (*folder.glob("best-*.safetensors"), *folder.glob(".best-*")):
        path.unlink()


def save_best(folder: Path, state: dict[str, Tensor], step: int) -> str:
    """Keep the trained state of a step as the best so far, and give the SHA-256 of its file.

    It has a file of its own: until the next checkpoint is written, the last one still names the best state before.
    """
    path = _best(folder, step)
    with whole_file(path) as temporary:
        save_file(state, temporary)
    return hash_file(path)


def load_best(folder: Path, step: int) -> dict[str, Tensor]:
    """The state that was the best at a step. Raises MercError if its file is gone or damaged."""
    path = _best(folder, step)
    try:
        state: dict[str, Tensor] = load_file(path)
    except FileNotFoundError:
        why = "is gone"
    except (SafetensorError, OSError) as error:
        why = f"is damaged ({error})"
    else:
        return state
    raise MercError(
        f"{path}, the best state so far, {why}, so the stage can't be finished; take {folder} away, and --resume "
        "trains the stage again from its beginning"
    )


def _best(folder: Path, step: int) -> Path:
    return folder / f"best-{step:08d}.safetensors"


def _kept_states(checkpoint: Path) -> list[Best]:
    """The evaluations whose states a checkpoint names; none of a damaged one."""
    try:
        return kept_states(_progress_of(checkpoint))
    except Damaged:
        return []


def kept_states(progress: Progress) -> list[Best]:
    """The evaluations whose states are still needed: the best, and those of a soup."""
    return [*([progress.best] if progress.best else []), *progress.pool]


def _damage(folder: Path, checkpoint: Path) -> str:
    """What is wrong with the files of a checkpoint and the best state that it names; empty where nothing is. One of an
    older merc has no checksums, and is only tried."""
    try:
        checksums = checkpoint / _CHECKSUMS
        if checksums.exists() and (problem := damage_in(checkpoint, _read(checksums))):
            return problem
        states = kept_states(_progress_of(checkpoint))
    except Damaged as error:
        return str(error)
    return damage_in(folder, {_best(folder, one.step).name: one.sha256 for one in states if one.sha256})


def _progress_of(checkpoint: Path) -> Progress:
    """The progress that a checkpoint keeps. Raises Damaged for one that holds something else."""
    path = checkpoint / "progress.json"
    try:
        return TypeAdapter(Progress).validate_json(read_text(path), strict=True)
    except MercError as error:
        raise Damaged(str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Damaged(f"{path} is damaged: {where + ': ' if where else ''}{first['msg']}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except MercError as error:
        raise Damaged(str(error)) from None
