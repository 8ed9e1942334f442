"""A linear layer with a low-rank adapter whose output goes straight into the layer's own.

PEFT computes ``W x + s (B (A x))`` in steps of which each reads and writes as many numbers as the layer gives: the
adapter's output, its scaling, the sum, and the same for gradients on the way back. For a small language model on a CPU
these cost a tenth of a training step. Here the adapter's product is added to the layer's in one step, and the scale
multiplies what is as narrow as the adapter. On a GPU PEFT's own way is taken.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class AdaptedLinear(Linear):  # type: ignore[misc]
    """PEFT's layer, which computes in one step what needs no more: one adapter, without dropout, on a CPU."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """As PEFT's."""
        name = None if args or kwargs else self._adapter(x)
        if name is None:
            out: Tensor = super().forward(x, *args, **kwargs)
            return out
        layer, a, b = self.get_base_layer(), self.lora_A[name].weight, self.lora_B[name].weight
        x = x.to(layer.weight.dtype)  # which is autocast's, where it is on
        both: Tensor = _Adapted.apply(x, layer.weight, layer.bias, a, b, self.scaling[name])  # type: ignore[no-untyped-call]
        return both

    def _adapter(self, x: Tensor) -> str | None:
        """The name of the only adapter, where the layer computes nothing but ``W x + s (B (A x))``, and in one type."""
        layer, names = self.get_base_layer(), self.active_adapters
        if x.device.type != "cpu" or type(layer) is not nn.Linear or self.disable_adapters or self.merged:
            return None
        if len(names) != 1 or names[0] not in self.lora_A or names[0] in self.lora_variant:
            return None
        (name,) = names
        a, b = self.lora_A[name], self.lora_B[name]
        weights = (layer.weight, a.weight, b.weight)
        if b.bias is not None or layer.weight.requires_grad or not isinstance(self.lora_dropout[name], nn.Identity):
            return None
        # ZeRO-3 fetches weights when their layer is called, and so does accelerate, which has put some aside.
        if any(hasattr(weight, "ds_id") or weight.device != x.device for weight in weights):
            return None
        if torch.is_autocast_enabled("cpu"):
            same = torch.get_autocast_dtype("cpu") == layer.weight.dtype
        else:
            same = x.dtype == layer.weight.dtype == a.weight.dtype
        return str(name) if same else None


class _Adapted(torch.autograd.Function):
    """``y = W x + c + s B (A x)`` over the last axis. With h = A x and the output's gradient g:
    dx = W^T g + A^T (s B^T g),  dA = (s B^T g) x^T,  dB = s g h^T. W and c do not learn."""

    @staticmethod
    def forward(
        context: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        inner = rows @ a.to(x.dtype).T
        out = nn.functional.linear(rows, weight, bias).addmm_(inner, b.to(x.dtype).T, alpha=scale)
        context.scale = scale
        context.save_for_backward(rows, weight, a, b, inner)
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(context: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, a, b, inner = context.saved_tensors
        out = grad.reshape(-1, grad.shape[-1])
        grad_x = grad_a = grad_b = None
        grad_inner = (out @ b.to(out.dtype)).mul_(context.scale)
        if context.needs_input_grad[0]:
            grad_x = (out @ weight).addmm_(grad_inner, a.to(out.dtype)).view(*grad.shape[:-1], -1)
        if context.needs_input_grad[3]:
            grad_a = (grad_inner.T @ rows).to(a.dtype)
        if context.needs_input_grad[4]:
            grad_b = (out.T @ inner).to(b.dtype).mul_(context.scale)
        return grad_x, None, None, grad_a, grad_b, None
