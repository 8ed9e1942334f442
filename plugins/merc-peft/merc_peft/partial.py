"""Tunings that let a part of the backbone's own weights learn: its biases, or its last blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import merc
from merc_peft.blocks import blocks_of

if TYPE_CHECKING:
    from torch import Tensor, nn

_HELD = ".parametrizations.bias.original"


@dataclass(frozen=True, kw_only=True)
class BitFit(merc.Tuning):
    """The biases alone learn, held in float32: of linear layers and of normalisations. Backbones of the LLaMA kind have
    none."""

    missing: Literal["leave", "add"] = "leave"
    """What is done for linear layers without a bias: nothing (``leave``), or a bias from zero on (``add``) for all but
    the last of the model."""

    def apply(self, llm: Any) -> Any:
        """Switch the biases on. Raises MercError for a backbone without any."""
        import torch
        from torch import nn
        from torch.nn.utils.parametrize import register_parametrization

        from merc_peft.modules import HeldIn

        llm.requires_grad_(False)
        for layer in _linear(llm) if self.missing == "add" else ():
            if layer.bias is None:
                layer.bias = nn.Parameter(layer.weight.new_zeros(layer.out_features))
        modules = [m for m in llm.modules() if isinstance(getattr(m, "bias", None), nn.Parameter)]
        if not modules:
            raise merc.MercError(
                f"backbone.tuning: {type(llm).__name__} has no bias for BitFit to learn; set "
                "backbone.tuning.missing=add, which gives its linear layers one from zero on, or choose another tuning"
            )
        for module in modules:
            dtype = module.bias.dtype
            module.bias.data = module.bias.data.float()
            module.bias.requires_grad_(True)
            if dtype != torch.float32:
                register_parametrization(module, "bias", HeldIn(dtype), unsafe=True)
        return llm

    def state(self, llm: nn.Module, learns: frozenset[str]) -> Mapping[str, Tensor]:
        """The biases, by the names that they have in a backbone of any dtype."""
        return {name.replace(_HELD, ".bias"): value for name, value in super().state(llm, learns).items()}

    def load(self, llm: nn.Module, state: Mapping[str, Tensor]) -> None:
        """Put them in."""
        own = {name.replace(_HELD, ".bias"): name for name, _ in llm.named_parameters()}
        super().load(llm, {own[name]: value for name, value in state.items()})

    def merged(self, llm: Any) -> nn.Module | None:
        """The backbone, if its architecture has biases where they were added."""
        import torch
        from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

        for module in list(llm.modules()):
            if is_parametrized(module, "bias"):
                remove_parametrizations(module, "bias", leave_parametrized=False)
        for switch in ("attention_bias", "mlp_bias") if self.missing == "add" else ():
            if hasattr(llm.config, switch):
                setattr(llm.config, switch, True)
        with torch.device("meta"):
            plain = type(llm)(llm.config)
        merged: nn.Module = llm
        return merged if plain.state_dict().keys() == llm.state_dict().keys() else None


def _linear(llm: Any) -> Iterator[nn.Linear]:
    """The linear layers but for the last of the model."""
    from torch import nn

    last = llm.get_output_embeddings()
    for module in llm.modules():
        if isinstance(module, nn.Linear) and module is not last:
            yield module


@dataclass(frozen=True, kw_only=True)
class LastLayers(merc.Tuning):
    """The last transformer blocks learn, held in float32, and computed in it outside autocast; all before them, the
    embeddings and the head do not."""

    layers: int = 2
    """How many blocks, counted from the last."""

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers counts from 1, not {self.layers}")

    def apply(self, llm: Any) -> Any:
        """Switch them on. Raises MercError for a backbone with fewer."""
        import torch

        from merc_peft.modules import compute_in_float32

        blocks = blocks_of(llm, self)
        if self.layers > len(blocks):
            raise merc.MercError(
                f"backbone.tuning.layers: {type(llm).__name__} has {len(blocks)} transformer blocks, not "
                f"{self.layers}; give fewer, or backbone.tuning={{name: full}} for all of its weights"
            )
        llm.requires_grad_(False)
        for block in blocks[-self.layers :]:
            half = any(parameter.dtype != torch.float32 for parameter in block.parameters())
            block.float().requires_grad_(True)
            if half:
                compute_in_float32(block)
        return llm
