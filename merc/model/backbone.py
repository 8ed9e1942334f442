"""A backbone's network as merc takes it: with finite weights, and nothing wrapped around it."""

from __future__ import annotations

import torch
from torch import nn

from merc.components import Backbone
from merc.errors import MercError, first_names

_SHOWN = 3


def load_network(backbone: Backbone, device: str) -> nn.Module:
    """The network with its weights on the device. Raises MercError for one that PEFT has wrapped already, and for
    weights that are no numbers."""
    llm: nn.Module = backbone.load(device)
    _check_bare(llm, backbone)
    _check_finite(llm, backbone)
    return llm


def _check_bare(llm: nn.Module, backbone: Backbone) -> None:
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTunerLayer

    layer = next((name for name, module in llm.named_modules() if isinstance(module, BaseTunerLayer)), None)
    if isinstance(llm, PeftModel) or layer is not None:
        at = f" (at {layer})" if layer else ""
        raise MercError(
            f"backbone: load() of {type(backbone).__name__} gives a model that PEFT has wrapped already{at}; merc adds "
            "its own tuning, and could not tell one adapter from the other: merge it (merge_and_unload()) first"
        )


@torch.no_grad()
def _check_finite(llm: nn.Module, backbone: Backbone) -> None:
    weights = [(name, w) for name, w in llm.named_parameters() if w.is_floating_point() and not w.is_meta]
    # the least and the largest, in one pass: NaN is both wherever there is one
    wrong = [name for name, w in weights if w.numel() and not torch.stack(torch.aminmax(w)).isfinite().all()]
    if not wrong:
        return
    remedy = "the files are damaged: fetch the model again, or give another"
    if backbone.dtype == "float16":
        largest = torch.finfo(torch.float16).max
        remedy = f"float16 ends at {largest:g}: set backbone.dtype=bfloat16, or float32; if they stay, {remedy}"
    raise MercError(
        f"backbone: {len(wrong)} of {len(weights)} tensors hold NaN or infinity, held in {backbone.dtype}: "
        f"{first_names(wrong, _SHOWN)}; {remedy}"
    )
