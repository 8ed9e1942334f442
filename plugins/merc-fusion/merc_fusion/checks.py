"""What the parameters of several components must be."""

from __future__ import annotations


def scale(init_scale: float) -> None:
    """ValueError for an ``init_scale`` that is not above 0."""
    if init_scale <= 0:
        raise ValueError(f"init_scale is above 0, not {init_scale:g}")


def heads_of(width: int | None, heads: int) -> None:
    """ValueError for a width that the heads cannot divide among them."""
    if width is not None and width % heads:
        raise ValueError(f"width is a multiple of heads ({heads}), not {width}")


def joined_size(kind: str, modalities: int, width: int) -> int:
    """How many numbers come of ``modalities`` vectors of ``width`` numbers.

    >>> [joined_size(kind, 3, 4) for kind in ("concat", "bilinear", "tensor")]
    [12, 64, 125]
    """
    if kind == "concat":
        return modalities * width
    return (width + (kind == "tensor")) ** modalities
