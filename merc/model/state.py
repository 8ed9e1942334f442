"""The trained state of a model in files: an adapter in peft's own format, connectors and fusers as safetensors."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from merc.errors import MercError
from merc.files import checksums_of, damage_in, move_folder, read_json, whole_file
from merc.model.emotion_model import EmotionModel


def trained_state(model: EmotionModel) -> dict[str, Tensor]:
    """Everything that is not just the backbone as it was loaded, on the CPU: LoRA's or, under full tuning, all of the
    backbone's parameters, and the connectors' and fusers' parameters and buffers."""
    return {n: v.detach().cpu().clone().contiguous() for n, v in _trained(model).items()}


def _trained(model: EmotionModel) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in model.llm.state_dict().items():
        if (model.full or "lora_" in name) and value.data_ptr() not in seen:
            seen.add(value.data_ptr())  # tied weights once: they are one tensor
            state[f"llm.{name}"] = value
    return state | {f"media.{n}": v for n, v in model.media.state_dict().items()}


def load_trained_state(model: EmotionModel, state: dict[str, Tensor]) -> None:
    """Put a trained state into a model of the same recipe."""
    own = {n: v for n, v in model.state_dict(keep_vars=True).items() if n.startswith(("llm.", "media."))}
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
    """Write ``adapter/`` (peft's format) or ``backbone/`` (under full tuning), ``connectors.safetensors`` and
    ``fusers.safetensors`` into a stage's folder; gives their SHA-256 by path."""
    folder.mkdir(parents=True, exist_ok=True)
    checksums: dict[str, str] = {}
    if hasattr(model.llm, "peft_config"):
        _save_pretrained(model.llm, folder / "adapter")
        checksums |= checksums_of(folder, "adapter/*.safetensors")
    elif model.full:
        _save_pretrained(model.llm, folder / "backbone")
        checksums |= checksums_of(folder, "backbone/**/*")
    for part in ("connectors", "fusers"):
        state = {n: v.detach().cpu().contiguous() for n, v in getattr(model.media, part).state_dict().items()}
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
    if hasattr(model.llm, "peft_config"):
        from peft import set_peft_model_state_dict

        file = folder / "adapter" / "adapter_model.safetensors"
        with _fitting(file):
            found = set_peft_model_state_dict(model.llm, read_state(file))
        absent = [n for n in found.missing_keys if "lora_" in n]
        if found.unexpected_keys or absent:
            raise _misfit(file, f"unknown: {found.unexpected_keys[:3]}, absent: {absent[:3]}")
    elif model.full:
        load_backbone(model, folder / "backbone")
    for part in ("connectors", "fusers"):
        module = getattr(model.media, part)
        if module.state_dict():
            file = folder / f"{part}.safetensors"
            with _fitting(file):
                module.load_state_dict(read_state(file))


def check_stage(folder: Path) -> None:
    """Raise MercError, naming the file, where a finished stage's files are not as they were written. A stage of an
    older merc kept no checksums, and is only tried."""
    remedy = f"bring it back, or take {folder} away and go on with --resume, which trains the stage again"
    done = folder / "done.json"
    checksums = read_json(done, remedy).get("files") if done.exists() else None
    if checksums is not None and (problem := damage_in(folder, checksums)):
        raise MercError(f"{problem}; {remedy}")


def load_backbone(model: EmotionModel, folder: Path) -> None:
    """Put a whole backbone that ``save_stage`` wrote into a model, through transformers' own loading, which knows how
    it named and split what it saved."""
    if not (folder / "config.json").exists():
        raise _absent(folder)
    with _fitting(folder):
        saved = type(model.base).from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
        model.base.load_state_dict(saved.state_dict())


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


def _save_pretrained(module: torch.nn.Module, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    module.save_pretrained(temporary, safe_serialization=True)  # type: ignore[operator]
    (temporary / "README.md").unlink(missing_ok=True)  # peft's empty model card
    move_folder(temporary, target)
