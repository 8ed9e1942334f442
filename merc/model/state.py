"""The trained state of a model in files: an adapter in peft's own format, connectors and fusers as safetensors."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from merc.errors import MercError
from merc.files import whole_file
from merc.model.emotion_model import EmotionModel


def trained_state(model: EmotionModel) -> dict[str, Tensor]:
    """Everything that is not just the backbone as it was loaded, on the CPU: LoRA's or, under full tuning, all of the
    backbone's parameters, and the connectors' and fusers' parameters and buffers."""
    state: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in model.llm.state_dict().items():
        if (model.full or "lora_" in name) and value.data_ptr() not in seen:
            seen.add(value.data_ptr())  # tied weights once: they are one tensor
            state[f"llm.{name}"] = value
    state.update({f"media.{n}": v for n, v in model.media.state_dict().items()})
    return {n: v.detach().cpu().clone().contiguous() for n, v in state.items()}


def load_trained_state(model: EmotionModel, state: dict[str, Tensor]) -> None:
    """Put a trained state into a model of the same recipe."""
    own = {n: v for n, v in model.state_dict(keep_vars=True).items() if n.startswith(("llm.", "media."))}
    unknown = sorted(n for n in state if n not in own)
    absent = sorted(n for n in own if n.startswith("media.") and n not in state)
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


def save_stage(model: EmotionModel, folder: Path) -> None:
    """Write ``adapter/`` (peft's format) or ``backbone/`` (under full tuning), ``connectors.safetensors`` and
    ``fusers.safetensors`` into a stage's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if hasattr(model.llm, "peft_config"):
        _save_pretrained(model.llm, folder / "adapter")
    elif model.full:
        _save_pretrained(model.llm, folder / "backbone")
    for part in ("connectors", "fusers"):
        state = {n: v.detach().cpu().contiguous() for n, v in getattr(model.media, part).state_dict().items()}
        if state:
            with whole_file(folder / f"{part}.safetensors") as temporary:
                save_file(state, temporary)


def load_stage(model: EmotionModel, folder: Path) -> None:
    """Put what ``save_stage`` wrote into a model of the same recipe. Raises MercError for a file that is not there."""
    state: dict[str, Tensor] = {}
    if hasattr(model.llm, "peft_config"):
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(model.llm, _read(folder / "adapter" / "adapter_model.safetensors"))
    elif model.full:
        state = {}
        for file in sorted((folder / "backbone").glob("*.safetensors")):
            state.update(_read(file))
        model.llm.load_state_dict(state, strict=False)
    for part in ("connectors", "fusers"):
        module = getattr(model.media, part)
        if module.state_dict():
            module.load_state_dict(_read(folder / f"{part}.safetensors"))


def _read(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise MercError(f"{path} is not there: the stage was not trained to its end; run it again with --resume")
    try:
        state: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise MercError(f"{path} is damaged ({error}); train the stage again in a new run directory") from None
    return state


def _save_pretrained(module: torch.nn.Module, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    module.save_pretrained(temporary, safe_serialization=True)  # type: ignore[operator]
    (temporary / "README.md").unlink(missing_ok=True)  # peft's empty model card
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
