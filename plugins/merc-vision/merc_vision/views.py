"""What is taken of the patches that a vision transformer gives for a picture."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def neighbours(patches: Tensor, count: int) -> Tensor:
    """The patches of a picture ``[side, side, dim]``, each square of ``count`` x ``count`` neighbours set side by side
    as one token: ``[(side / count)^2, count^2 x dim]``, row by row."""
    side, _, dim = patches.shape
    few = side // count
    squares = patches.reshape(few, count, few, count, dim).permute(0, 2, 1, 3, 4)
    return squares.reshape(few * few, count * count * dim)


def pooled(patches: Tensor, cells: int) -> Tensor:
    """The patches of pictures ``[n, side, side, dim]``, each averaged to ``cells`` x ``cells`` tokens:
    ``[n x cells^2, dim]``, picture by picture and row by row."""
    count, _, _, dim = patches.shape
    means = F.adaptive_avg_pool2d(patches.permute(0, 3, 1, 2), cells)
    return means.permute(0, 2, 3, 1).reshape(count * cells * cells, dim)
