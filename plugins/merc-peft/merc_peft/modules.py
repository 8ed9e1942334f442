"""The working parts of the tunings that PEFT does not bring."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


class Bottleneck(nn.Module):
    """h' = h + W_f σ(W_i h), computed in float32; W_f begins at zero, so that h' begins as h."""

    def __init__(self, dim: int, width: int, activation: str) -> None:
        super().__init__()
        self.down = nn.Linear(dim, width, bias=False)
        self.activation = ACTIVATIONS[activation]()
        self.up = nn.Linear(width, dim, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        """``[..., dim]`` in and out, of one dtype."""
        change: Tensor = self.up(self.activation(self.down(hidden.to(self.down.weight.dtype))))
        return hidden + change.to(hidden.dtype)


def adapt(module: Any, args: Any, output: Any) -> Any:
    """A forward hook: a module's output with its hidden states through its ``bottleneck``; some modules give more
    beside these."""
    if isinstance(output, Tensor):
        return module.bottleneck(output)
    return (module.bottleneck(output[0]), *output[1:])


def output_width(module: nn.Module, hidden: int) -> int | None:
    """How wide the outputs of a module inside a transformer block are: those of a linear layer as it says, those of a
    norm as wide as its weight, and those of attention, a feed-forward network or experts, whose last weights lead back
    to the ``hidden`` width, that. None for any other module."""
    if (own := _linear_width(module)) is not None:
        return own
    if isinstance(module, nn.ModuleList | nn.ModuleDict):  # never called as a whole
        return None
    weight = getattr(module, "weight", None)
    if not list(module.children()):
        return len(weight) if isinstance(weight, Tensor) and weight.dim() == 1 else None
    leads_back = any(_linear_width(one) == hidden for one in module.modules())
    experts = any(p.dim() == 3 and hidden in p.shape for p in module.parameters())
    return hidden if leads_back or experts else None


def _linear_width(module: nn.Module) -> int | None:
    from transformers.pytorch_utils import Conv1D

    if isinstance(module, nn.Linear):
        return module.out_features
    return int(module.nf) if isinstance(module, Conv1D) else None


class HeldIn(nn.Module):
    """A parametrization: a float32 weight as its module computes with it, in the backbone's dtype."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, weight: Tensor) -> Tensor:
        """The weight in the other dtype."""
        return weight.to(self.dtype)


def compute_in_float32(block: nn.Module) -> None:
    """Let a module whose weights are float32 take what is not, and give it back as it came."""
    block.register_forward_pre_hook(_widen, with_kwargs=True)
    block.register_forward_hook(_narrow, with_kwargs=True)


def _widen(block: Any, args: Any, kwargs: Any) -> Any:
    block.came_in = (args[0] if args else kwargs["hidden_states"]).dtype
    return _cast(args, torch.float32), _cast(kwargs, torch.float32)


def _narrow(block: Any, args: Any, kwargs: Any, output: Any) -> Any:
    return _cast(output, block.came_in)


def _cast(value: Any, dtype: torch.dtype) -> Any:
    """Tensors of numbers in another dtype, wherever they are."""
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {name: _cast(each, dtype) for name, each in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_cast(each, dtype) for each in value)
    return value
