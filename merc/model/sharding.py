"""A language model over several devices, for inference: its layers one after the other, as accelerate spreads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from merc.components import layer_names
from merc.errors import MercError

if TYPE_CHECKING:
    from merc.model.emotion_model import EmotionModel

Memory = Mapping[int | str, int | str]
"""By device, how much of it may be taken, in bytes or as ``"40GiB"``."""


def places_of(llm: Any, memory: Memory | None = None) -> dict[str, int | str]:
    """On which device each module of a language model goes: whole layers as they fit, and all that stands around the
    layers on the first device, where its input comes from and its output is read.

    Args:
        llm: The language model, which may be on the meta device.
        memory: What may be taken; None is what is free on the GPUs of this machine, shared evenly.

    Returns:
        By module, the number of a GPU or ``"cpu"``.

    Raises:
        MercError: The devices together cannot hold it.
    """
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_balanced_memory

    whole = sorted(getattr(llm, "_no_split_modules", None) or ())
    if memory is None:
        memory = get_balanced_memory(llm, no_split_module_classes=whole, dtype=llm.dtype)
    device_map: dict[str, Any] = infer_auto_device_map(
        llm, max_memory=dict(memory), no_split_module_classes=whole, dtype=llm.dtype
    )
    layers = layer_names(llm)
    places = _spelled_out(llm, device_map, layers)
    main = next(iter(memory))
    outside = [name for name in places if not any(name == layer or name.startswith(f"{layer}.") for layer in layers)]
    places.update(dict.fromkeys(outside, main))
    if "disk" in places.values():
        size = sum(p.numel() * p.element_size() for p in llm.parameters())
        room = ", ".join(f"{device}: {most}" for device, most in memory.items())
        raise MercError(
            f"strategy.shard: the backbone takes {size / 1e9:.1f} GB, held in {str(llm.dtype).rpartition('.')[2]}, and "
            f"the devices of this machine have no room for it ({room}); set "
            "backbone.dtype=bfloat16, or give a smaller backbone"
        )
    return places


def _spelled_out(llm: nn.Module, device_map: Mapping[str, Any], layers: list[str]) -> dict[str, int | str]:
    """A map in which an entry that holds the layers, and other things, is one entry for each of its children."""
    places: dict[str, int | str] = {}
    for name, device in device_map.items():
        holds = [layer for layer in layers if layer != name and (not name or layer.startswith(f"{name}."))]
        if not holds:
            places[name] = device
            continue
        module = llm.get_submodule(name) if name else llm
        children = {f"{name}.{child}" if name else child: device for child, _ in module.named_children()}
        places.update(_spelled_out(llm, children, layers))
    return places


def spread(model: EmotionModel, device: str) -> None:
    """Spread a model's backbone, with what its tuning put into the layers, over the GPUs of this machine; what the
    tuning put elsewhere goes to the first device. Without a GPU all of it goes to ``device``."""
    base = shard(model.base) if device.startswith("cuda") else model.base.to(device)
    inside = {id(parameter) for parameter in base.parameters()}
    first = next(parameter.device for parameter in base.parameters() if parameter.device.type != "meta")
    for parameter in model.llm.parameters():
        if id(parameter) not in inside:
            parameter.data = parameter.data.to(first)


def shard(llm: Any, memory: Memory | None = None) -> Any:
    """A language model spread over the GPUs of this machine, and the CPU where these are too small. With one device
    it goes there as a whole. Raises MercError where it does not fit."""
    from accelerate import dispatch_model

    if memory is None and not torch.cuda.is_available():
        return llm
    places = places_of(llm, memory)
    main = next(iter(places.values()))
    if len(set(places.values())) == 1:
        return llm.to(main)
    # What is on the CPU beside GPUs computes on the first of them.
    return dispatch_model(llm, places, main_device=main, force_hooks=True)
