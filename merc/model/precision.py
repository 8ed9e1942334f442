"""In what precision a pass is computed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from merc.model.emotion_model import EmotionModel


def computes_bfloat16(device: str) -> bool:
    """Whether a device has instructions for bfloat16. A CPU without them takes 8 to 40 times as long for a product of
    matrices in bfloat16 as in float32."""
    if device != "cpu":
        return True
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return torch.backends.mkldnn.is_available() and supported is not None and bool(supported())  # type: ignore[no-untyped-call]


def computed_in(precision: str, device: str) -> str:
    """The precision in which a device computes what a recipe wants in ``precision``: that one, but float32 for bfloat16
    on a CPU that has no instructions for it.

    Args:
        precision: What a recipe says, such as "bfloat16".
        device: Where it is computed: "cpu", "cuda:0".

    Returns:
        ``precision``, or "float32".

    >>> computed_in("float32", "cpu"), computed_in("bfloat16", "cuda:0")
    ('float32', 'bfloat16')
    """
    return "float32" if precision == "bfloat16" and not computes_bfloat16(device) else precision


def other_precision(key: str, precision: str, other: str) -> str:
    """The sentence about a key of a recipe whose precision is not the one that is computed in."""
    return f"{key}: this CPU has no instructions for {precision}; {other} is used"


@contextlib.contextmanager
def autocast(device: str, precision: str, model: EmotionModel | None = None) -> Iterator[None]:
    """Compute in a precision; ``model`` and ``float32`` leave dtypes as they are."""
    if precision in ("model", "float32"):
        yield
        return
    with torch.autocast(device, dtype=getattr(torch, precision)), uncast(model, precision):
        yield


def uncast(model: EmotionModel | None, precision: str) -> AbstractContextManager[None]:
    """A context in which the model's tuning leaves it to autocast in which dtype it computes."""
    if model is None or precision in ("model", "float32"):
        return nullcontext()
    return model.tuning.autocast(model.llm)
