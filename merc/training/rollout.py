"""What a step learns where a trainer makes it when the step is due: with the model as it is then."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import torch

from merc.components import Example
from merc.errors import MercError
from merc.training.context import StageContext
from merc.training.groups import Group

Rollout = Callable[[Sequence[Sequence[Example]], int], Sequence[Sequence[Example]]]
"""Examples of a step, by conversation, and the step's number (from 0) in; what is learned in their place out."""


def rolled_out(
    context: StageContext, rollout: Rollout, examples: Sequence[Sequence[Example]], number: int
) -> Sequence[Sequence[Example]]:
    """What a rollout gives for step ``number``, without dropout and gradients."""
    context.network.eval()
    # Alike in all processes, and after a resume what it was without.
    torch.manual_seed(context.seed_of(number, "rollout"))
    with torch.no_grad():
        learned = rollout(examples, number)
    for what in (learned, *learned) if isinstance(learned, Sequence) else (learned,):
        if not isinstance(what, Sequence) or (what is not learned and not all(isinstance(e, Example) for e in what)):
            raise MercError(
                f"stages.{context.stage}: the rollout of its trainer, at step {number + 1}, gave {type(what).__name__} "
                "where a list is wanted; it must give lists of merc.Example, a list a conversation"
            )
    return learned


def check_alike(context: StageContext, groups: Sequence[Group], number: int) -> None:
    """Raise MercError where a rollout gave nothing, or other examples in other processes, which could not compute a
    step together."""
    where = f"stages.{context.stage}: the rollout of its trainer, at step {number + 1},"
    if not groups:
        raise MercError(f"{where} gave nothing to learn; give an answer the weight 0 in place of leaving all out")
    content = repr([(prompt.context, prompt.answers) for group in groups for prompt in group.prompts])
    every = context.strategy.collect([zlib.crc32(content.encode())])
    if len(set(every)) > 1:
        raise MercError(f"{where} gave other examples in other processes; what it draws may depend on its seed alone")
