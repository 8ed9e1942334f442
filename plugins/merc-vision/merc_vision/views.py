"""What is taken of the patches that a vision transformer gives for a picture."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def neighbours(patches: Tensor, high: int, wide: int) -> Tensor:
    """The patches of a picture ``[side, side, dim]``, each block of ``high`` x ``wide`` neighbours set side by side as
    one token: ``[side / high x side / wide, high x wide x dim]``, row by row."""
    side, _, dim = patches.shape
    blocks = patches.reshape(side // high, high, side // wide, wide, dim).permute(0, 2, 1, 3, 4)
    return blocks.reshape(-1, high * wide * dim)


def pooled(patches: Tensor, cells: int) -> Tensor:
    """The patches of pictures ``[n, side, side, dim]``, each averaged to ``cells`` x ``cells`` tokens:
    ``[n x cells^2, dim]``, picture by picture and row by row."""
    count, _, _, dim = patches.shape
    means = F.adaptive_avg_pool2d(patches.permute(0, 3, 1, 2), cells)
    return means.permute(0, 2, 3, 1).reshape(count * cells * cells, dim)
