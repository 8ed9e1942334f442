"""In what precision a pass is computed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from merc.model.emotion_model import EmotionModel


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
