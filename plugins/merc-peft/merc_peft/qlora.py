"""QLoRA: low-rank adapters beside linear layers that are held in four bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import merc

if TYPE_CHECKING:
    from torch import nn

_BLOCK, _SECOND = 64, 256


@dataclass(frozen=True, kw_only=True)
class QLoRA(merc.LowRankTuning):
    """LoRA beside linear layers whose weights are held in four bits (NF4, by bitsandbytes), which do not learn; the
    last layer of the model and its embeddings stay as they are. The backbone is loaded in its own dtype, and then
    packed layer by layer. A layer whose input width is not a multiple of 64, the weights that share a scale, is not
    packed: bitsandbytes reads the scales of such a layer wrongly on a CPU."""

    double: bool = True
    """Whether the scales, one for each 64 weights, are packed too: 0.52 bytes a weight in place of 0.56."""

    def check(self, device: str) -> None:
        """See that bitsandbytes is there and packs and computes a small layer on the device."""
        import torch

        if find_spec("bitsandbytes") is None:
            raise merc.MercError(
                "backbone.tuning: qlora needs the package bitsandbytes; pip install 'merc-peft[qlora]', or set "
                "backbone.tuning.name=lora"
            )
        try:
            with torch.no_grad():
                layer = _packed(torch.nn.Linear(64, 64, bias=False), self.double, torch.float32, torch.device(device))
                numbers = layer(torch.ones(1, 64, device=device))
            fault = "" if bool(numbers.isfinite().all()) else "what it computes are no numbers"
        except Exception as error:  # whatever a device without its kernels raises means the same
            fault = f"{type(error).__name__}: {error}"
        if fault:
            raise merc.MercError(
                f"backbone.tuning: qlora cannot compute in four bits on {device} with the installed bitsandbytes "
                f"({fault[:200]}); set backbone.tuning.name=lora, or another strategy.device"
            )

    def apply(self, llm: Any) -> nn.Module:
        """Pack the linear layers, and put the adapters in. On the meta device nothing is packed."""
        place = next(llm.parameters()).device
        if place.type != "meta":
            self.check(str(place))
            layers = _layers(llm, llm.get_output_embeddings())
            if not layers:
                raise merc.MercError(
                    f"backbone.tuning: no linear layer of {type(llm).__name__} has an input width that is a multiple "
                    f"of {_BLOCK}, as four bits need it; set backbone.tuning.name=lora"
                )
            for name, layer in layers.items():
                parent, _, last = name.rpartition(".")
                setattr(llm.get_submodule(parent), last, _packed(layer, self.double, llm.dtype, place))
            llm.is_loaded_in_4bit = True  # how PEFT knows which of its adapters fit
        return super().apply(llm)

    def packed(self, llm: Any) -> Mapping[str, float]:
        """Half a byte a weight, and its share of the scales."""
        scales = 1 / _BLOCK + 4 / (_BLOCK * _SECOND) if self.double else 4 / _BLOCK
        from peft.tuners.lora import LoraLayer

        base = llm.get_base_model() if hasattr(llm, "get_base_model") else llm
        adapted = [layer for layer in llm.modules() if isinstance(layer, LoraLayer)]
        adapters = {id(half) for layer in adapted for both in (layer.lora_A, layer.lora_B) for half in both.values()}
        layers = _layers(llm, base.get_output_embeddings())
        return {f"{name}.weight": 0.5 + scales for name, layer in layers.items() if id(layer) not in adapters}

    def merged(self, llm: Any) -> nn.Module | None:
        """The backbone with its weights unpacked, in its dtype, and the adapters added: what was computed with."""
        import torch
        from bitsandbytes.functional import dequantize_4bit

        base = llm.get_base_model()
        dtype = base.dtype
        for name, module in list(base.named_modules()):
            layer = getattr(module, "base_layer", module)
            adapted = layer is not module
            if name.endswith(".base_layer") or not (adapted or hasattr(layer, "quant_state")):
                continue
            state = getattr(layer.weight, "quant_state", None)
            weight = (layer.weight.data if state is None else dequantize_4bit(layer.weight.data, state)).float()
            if adapted:
                weight = weight + module.get_delta_weight(llm.active_adapter).float()
            plain = torch.nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
            plain.weight = torch.nn.Parameter(weight.to(dtype), requires_grad=False)
            plain.bias = layer.bias
            parent, _, own = name.rpartition(".")
            setattr(base.get_submodule(parent), own, plain)
        base.is_loaded_in_4bit = False
        return base


def _layers(llm: Any, last: Any) -> dict[str, Any]:
    """The linear layers that are held in four bits, by name."""
    from torch import nn

    linear = {name: m for name, m in llm.named_modules() if isinstance(m, nn.Linear) and m is not last}
    return {name: layer for name, layer in linear.items() if layer.in_features % _BLOCK == 0}


def _packed(layer: Any, double: bool, dtype: Any, place: Any) -> Any:
    """A linear layer of bitsandbytes with the same weights, in four bits."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    made = Linear4bit(
        layer.in_features, layer.out_features, bias=False, compute_dtype=dtype, compress_statistics=double,
        quant_type="nf4", device="meta",
    )  # fmt: skip
    made.weight = Params4bit(
        layer.weight.data, requires_grad=False, compress_statistics=double, quant_type="nf4", blocksize=_BLOCK,
        module=made,
    )  # fmt: skip
    made.bias = layer.bias
    # With it bitsandbytes packs the weights otherwise after one pass in evaluation, and then no gradient comes through.
    made.support_avx512bf16_for_cpu = False
    return made.to(place)
