"""Which parameters of a backbone learn: none, LoRA's, or all."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from torch import nn

from merc.errors import MercError, did_you_mean
from merc.recipe import Tuning

if TYPE_CHECKING:
    from merc.model.emotion_model import EmotionModel


def apply_tuning(llm: nn.Module, tuning: Tuning) -> nn.Module:
    """The backbone, made ready to be tuned.

    ``frozen``: nothing learns. ``lora``: peft's LoRA on the linear layers named by ``targets``, held in float32
    whatever the backbone's dtype. ``full``: everything, held in float32, since updates of a bfloat16 weight would be
    rounded away; the trainer's ``precision`` says what is computed in.
    """
    if tuning.name == "frozen":
        return llm.requires_grad_(False)
    if tuning.name == "full":
        return llm.float().requires_grad_(True)
    from peft import LoraConfig, get_peft_model

    targets = tuning.targets if isinstance(tuning.targets, str) else list(tuning.targets)
    config = LoraConfig(
        r=tuning.r,
        lora_alpha=tuning.alpha,
        lora_dropout=tuning.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    meta = next(llm.parameters()).device.type == "meta"
    _check_targets(llm, tuning.targets)
    try:
        with warnings.catch_warnings():
            # peft asks a model by a name that transformers has renamed; nothing that a user could change.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            tuned: nn.Module = get_peft_model(llm, config, low_cpu_mem_usage=meta)
    except ValueError as error:
        raise MercError(f"backbone.tuning.targets: {error}") from None
    return tuned


def _check_targets(llm: nn.Module, targets: str | Sequence[str]) -> None:
    """See that every name stands for a layer; peft is content with one that does."""
    if isinstance(targets, str):
        return
    linear = [name for name, module in llm.named_modules() if isinstance(module, nn.Linear)]
    modules = [name for name, _ in llm.named_modules()]
    last = list(dict.fromkeys(name.rpartition(".")[2] for name in linear))
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in modules):
            raise MercError(
                f"backbone.tuning.targets: {type(llm).__name__} has no layer {target!r}.{did_you_mean(target, last)} "
                f"Its linear layers are: {', '.join(last)}; all-linear stands for all but the last of the model"
            )


def select_trainable(model: EmotionModel, names: Sequence[str] | None) -> list[str]:
    """Let only the named parts learn ('backbone', 'connectors.video', 'fusers.*'); ``None``: all that can.

    Gives the parts that learn. What a tuning froze stays frozen: 'backbone' means its adapters, or all of it under
    ``full``.
    """
    parts: dict[str, list[nn.Parameter]] = {"backbone": learnable(model)}
    parts.update({f"connectors.{n}": list(m.parameters()) for n, m in model.media.connectors.items()})
    parts.update({f"fusers.{n}": list(m.parameters()) for n, m in model.media.fusers.items()})
    for name in names or ():
        if not any(fnmatchcase(part, name) for part in parts):
            raise MercError(f"stages: trainable names unknown part {name!r}.{did_you_mean(name, parts)}")
    chosen = []
    for part, parameters in parts.items():
        wanted = names is None or any(fnmatchcase(part, name) for name in names)
        for parameter in parameters:
            parameter.requires_grad_(wanted)
        if wanted and parameters:
            chosen.append(part)
    return chosen


def learnable(model: EmotionModel) -> list[nn.Parameter]:
    """The backbone's parameters that its tuning lets learn, whether or not a stage trains them now."""
    if not hasattr(model.llm, "peft_config"):
        return list(model.llm.parameters()) if model.full else []
    return [p for n, p in model.llm.named_parameters() if "lora_" in n]
