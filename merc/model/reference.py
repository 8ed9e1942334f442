"""The model as it was when a stage began, for losses that hold what it learned against it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from merc.errors import MercError
from merc.model.emotion_model import EmotionModel

_SHARED_OUT = (
    "a loss compares the model with what it was before this stage, and ZeRO-3 shares out the weights that are copied "
    "for it; set strategy.zero=2, or begin the stage with adapters that have not learned"
)


class Reference:
    """What it takes to compute with a model as it is now, once it has learned more.

    A tuning may know how without a copy (adapters that have not learned are switched off). Of whatever else the stage
    learns a copy is kept, on the model's device, and of the media's buffers. ``nbytes`` is the memory that copies take.

    Raises MercError where ZeRO-3 has shared out what is to be copied.
    """

    def __init__(self, model: EmotionModel) -> None:
        self._off = model.tuning.reference(model.llm)
        copied = {
            name: parameter
            for name, parameter in model.learning().items()
            if parameter.requires_grad
            and not name.startswith("losses.")
            and not (self._off and name.startswith("llm."))
        }
        self._pairs: list[tuple[Tensor, Tensor]] = [
            (tensor, tensor.detach().clone()) for tensor in (*copied.values(), *model.media.buffers())
        ]
        # Of what an earlier stage under ZeRO-3 has left shared out this process holds nothing to copy.
        if any(getattr(tensor, "ds_numel", copy.numel()) != copy.numel() for tensor, copy in self._pairs):
            raise MercError(_SHARED_OUT)
        self._active = False

    @property
    def nbytes(self) -> int:
        """The memory that copies take."""
        return sum(copy.numel() * copy.element_size() for _, copy in self._pairs)

    @contextmanager
    def active(self) -> Iterator[None]:
        """While it lasts, the model is what it was. Raises MercError where ZeRO-3 has shared out what was copied."""
        if self._active:
            yield
            return
        if any(tensor.numel() != copy.numel() for tensor, copy in self._pairs):
            raise MercError(_SHARED_OUT)
        with ExitStack() as stack:
            if self._off is not None:
                stack.enter_context(self._off())
            now = [tensor.data for tensor, _ in self._pairs]
            self._active = True
            # Autocast keeps weights that it has cast: those of now are not the reference's, nor the other way round,
            # and what is cast without gradients would have none in the pass that learns.
            torch.clear_autocast_cache()
            try:
                for tensor, copy in self._pairs:
                    tensor.data = copy
                yield
            finally:
                for (tensor, _), data in zip(self._pairs, now, strict=True):
                    tensor.data = data
                self._active = False
                torch.clear_autocast_cache()


def keep_reference(model: EmotionModel) -> int:
    """Keep what the model is now as its reference; gives the memory that it takes."""
    reference = Reference(model)
    model.before = reference.active
    return reference.nbytes
