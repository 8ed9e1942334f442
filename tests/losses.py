"""Losses outside of a stage: built for a model, or asked for their values of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from merc.components import Loss, LossContext, Outputs
from merc.conversation import LabelSpace
from merc.model.batch import TreeBatch
from merc.model.emotion_model import EmotionModel
from merc.training.loss_set import LossSet


def space_of(count: int) -> LabelSpace:
    return LabelSpace(tuple(f"label{number}" for number in range(count)))


def built(loss: Loss, labels: int, counts: Mapping[str, int] | None = None, width: int = 4) -> LossSet:
    context = LossContext(labels=space_of(labels), width=width, counts=counts or {}, answers=())
    return LossSet.build((loss,), context)


def use_loss(model: EmotionModel, loss: Loss, labels: int) -> None:
    """Let a model compute the values of one loss."""
    found = built(loss, labels)
    model.use_losses(found.functions, found.needs)


def values_of(loss: Loss, path_log_probs: Tensor, batch: TreeBatch, labels: int) -> Tensor:
    """The losses ``[prompts]`` of paths whose log-probabilities are known."""
    (function,) = built(loss, labels).functions.values()
    found: Tensor = function(Outputs(path_log_probs=path_log_probs), replace(batch, labels=labels))
    return found
