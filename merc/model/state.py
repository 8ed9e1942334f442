"""The trained state of a model in files: what its tuning saves, and connectors, fusers and heads as safetensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from merc.errors import MercError
from merc.files import checksums_of, damage_in, read_json, whole_file
from merc.model.emotion_model import EmotionModel


def trained_state(model: EmotionModel) -> dict[str, Tensor]:
    """Everything that is not just the backbone as it was loaded, on the CPU: the parameters that ``model.learns``
    names, connectors, fusers, heads, learning encoders and the stage's losses with their buffers."""
    return {n: v.detach().cpu().clone().contiguous() for n, v in _trained(model).items()}


def state_digest(model: EmotionModel) -> str:
    """The SHA-256 of a trained state: the same for two models of a recipe only if they have learned the same."""
    digest = hashlib.sha256()
    for name, value in sorted(_trained(model).items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _trained(model: EmotionModel) -> dict[str, Tensor]:
    beside = {"media": model.media, "heads": model.heads, "losses": model.losses}
    buffers = {f"{part}.{n}": v for part, module in beside.items() for n, v in module.state_dict().items()}
    return {**model.learning()} | buffers


def load_trained_state(model: EmotionModel, state: dict[str, Tensor]) -> None:
    """Put a trained state into a model of the same recipe."""
    own = {
        n: v
        for n, v in model.state_dict(keep_vars=True).items()
        if n.startswith(("llm.", "media.", "heads.", "losses."))
    }
    unknown = sorted(n for n in state if n not in own)
    absent = sorted(n for n in _trained(model) if n not in state)
    if unknown or absent:
        raise MercError(
            "the saved state does not fit the recipe's model: "
            f"{len(unknown)} saved parameters are unknown ({', '.join(unknown[:3])}), "
            f"{len(absent)} are absent ({', '.join(absent[:3])})"
        )
    with torch.no_grad():
        for name, value in state.items():
            if own[name].shape != value.shape:
                raise MercError(
                    f"the saved state does not fit the recipe's model: {name} has shape {tuple(value.shape)}, "
                    f"the model wants {tuple(own[name].shape)}"
                )
            own[name].copy_(value)


def save_stage(model: EmotionModel, folder: Path) -> dict[str, str]:
    """Write what the tuning saves (``adapter/`` for LoRA, ``backbone/`` for full tuning), ``connectors.safetensors``,
    ``fusers.safetensors``, ``heads.safetensors`` and, of encoders that learn, ``encoders.safetensors`` into a stage's
    folder; gives their SHA-256 by path."""
    folder.mkdir(parents=True, exist_ok=True)
    checksums: dict[str, str] = {}
    if learns := of_backbone(model):
        model.tuning.save(model.llm, learns, folder)
        saved = model.tuning.saved_as
        checksums |= checksums_of(folder, f"{saved}/**/*" if (folder / saved).is_dir() else saved)
    for part, modules in model.kinds().items():
        state = {n: v.detach().cpu().contiguous() for n, v in modules.state_dict().items()}
        if state:
            with whole_file(folder / f"{part}.safetensors") as temporary:
                save_file(state, temporary)
            checksums |= checksums_of(folder, f"{part}.safetensors")
    return checksums


def load_stage(model: EmotionModel, folder: Path) -> None:
    """Put what ``save_stage`` wrote into a model of the same recipe.

    Raises MercError for a file that is not there, is not as it was written, or does not fit.
    """
    check_stage(folder)
    if learns := of_backbone(model):
        state = read_tuning(model, folder)
        own = model.tuning.state(model.llm, learns)
        unknown, absent = sorted(set(state) - set(own)), sorted(set(own) - set(state))
        other = [name for name, value in state.items() if name in own and own[name].shape != value.shape]
        if unknown or absent or other:
            why = f"unknown: {unknown[:3]}, absent: {absent[:3]}, of another shape: {other[:3]}"
            raise _misfit(folder / model.tuning.saved_as, why)
        model.tuning.load(model.llm, state)
    for part, module in model.kinds().items():
        if module.state_dict():
            file = folder / f"{part}.safetensors"
            with _fitting(file):
                module.load_state_dict(read_state(file))


def check_stage(folder: Path) -> None:
    """Raise MercError, naming the file, where a finished stage's files are not as they were written. A stage of an
    older merc kept no checksums, and is only tried."""
    done = folder / "done.json"
    remedy = (
        f"bring it back, or take {folder} away and go on with --resume, which trains the stage again (where it was "
        f"changed on purpose, take 'files' out of {done})"
    )
    checksums = read_json(done, remedy).get("files") if done.exists() else None
    if checksums is not None and (problem := damage_in(folder, checksums)):
        raise MercError(f"{problem}; {remedy}")


def of_backbone(model: EmotionModel) -> frozenset[str]:
    """The parameters of the backbone that may learn, by their names in it; empty under a frozen one."""
    return frozenset(name.removeprefix("llm.") for name in model.learns if name.startswith("llm."))


def read_tuning(model: EmotionModel, folder: Path) -> Mapping[str, Tensor]:
    """What the model's tuning saved into a stage's folder. Raises MercError if it is not there or damaged."""
    saved = folder / model.tuning.saved_as
    if not saved.exists():
        raise _absent(saved)
    with _fitting(saved):
        return model.tuning.read(model.llm, folder)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that ``save_stage`` wrote, on the CPU."""
    if not path.exists():
        raise _absent(path)
    state: dict[str, Tensor] = load_file(path)
    return state


def _absent(path: Path) -> MercError:
    return MercError(f"{path} is not there: the stage was not trained to its end; run it again with --resume")


@contextmanager
def _fitting(path: Path) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, SafetensorError, OSError) as error:
        raise _misfit(path, " ".join(str(error).split())) from None


def _misfit(path: Path, why: str) -> MercError:
    return MercError(
        f"{path} does not fit the recipe's model: it is damaged, or was trained with another recipe "
        f"({why[:300]}); use the recipe that stands in the run directory"
    )
