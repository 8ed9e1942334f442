"""The modality fusion operator of the survey's equations 10, 14, 18 and 20, and the non-linear map after it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from merc_fusion.checks import joined_size


class Operator(nn.Module):
    """``phi(z_1 + ... + z_M)`` with ``+`` an operator by name, and ``phi`` a linear layer and tanh.

    - ``concat``: the vectors side by side.
    - ``bilinear``: all products of a number of each vector, their outer product.
    - ``tensor``: the outer product of the vectors with a 1 after each (Tensor Fusion Network), so that products of
      fewer modalities are there too.

    A missing modality has a learned vector in its place. It begins as zeros, and as ones in ``bilinear``, where zeros
    would take the others with them.
    """

    def __init__(self, kind: str, modalities: int, width: int, out: int) -> None:
        super().__init__()
        self.kind = kind
        self.absent = nn.Parameter(torch.full((modalities, width), float(kind == "bilinear")))
        self.layer = nn.Linear(joined_size(kind, modalities, width), out)

    def joined(self, parts: Tensor, there: Tensor) -> Tensor:
        """What the operator gives of ``parts`` ``[..., modalities, width]``; ``there`` ``[..., modalities]`` bool."""
        parts = torch.where(there.unsqueeze(-1), parts, self.absent)
        if self.kind == "concat":
            return parts.flatten(-2)
        if self.kind == "tensor":
            parts = torch.cat([parts, torch.ones_like(parts[..., :1])], -1)
        first, *others = parts.unbind(-2)
        for other in others:
            first = (first.unsqueeze(-1) * other.unsqueeze(-2)).flatten(-2)
        return first

    def forward(self, parts: Tensor, there: Tensor) -> Tensor:
        """``[..., out]``."""
        return torch.tanh(self.layer(self.joined(parts, there)))
