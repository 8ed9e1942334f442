"""The losses of a stage together: what they need of a pass, how they are counted, and what a step adds up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from merc.components import Loss, LossContext
from merc.components.model import NEEDS
from merc.errors import MercError, did_you_mean
from merc.model.batch import TreeBatch
from merc.model.emotion_model import EmotionModel
from merc.registry import get_registry
from merc.registry.faults import worker_for
from merc.training.strategy import Strategy

ANSWERS = ("gold", "labels", "pairs", "own", "none")
"""What ``Loss.answers`` may say."""


def wanted_answers(losses: Sequence[Loss]) -> frozenset[str]:
    """Which answers of a prompt are computed (``Loss.answers``); those of a penalty alone do not count."""
    return frozenset(loss.answers for loss in losses if loss.needs or loss.heads()) - {"none"}


@dataclass(frozen=True)
class LossSet:
    """Losses by the names that the log has for them, ``functions`` their working parts in the same order."""

    losses: dict[str, Loss]
    functions: dict[str, nn.Module]

    @classmethod
    def build(cls, losses: Sequence[Loss], context: LossContext) -> LossSet:
        """Build the losses. Raises MercError where all are penalties, so that no pass would be learned from, and where
        several rewrite the answers that are read, and for a loss of a head that there is not."""
        named: dict[str, Loss] = {}
        seen: Counter[str] = Counter()
        for loss in losses:
            name = "-".join([get_registry().name_of(loss), *loss.heads()])
            _check_declared(name, loss)
            for head in loss.heads():
                if head not in context.heads:
                    raise MercError(
                        f"losses: {name} is of the head {head!r}, which the recipe does not have."
                        f"{did_you_mean(head, context.heads)} Its heads are: {', '.join(context.heads) or 'none'}"
                    )
            seen[name] += 1
            named[name if seen[name] == 1 else f"{name}-{seen[name]}"] = loss
        built = {name: loss.build(context) for name, loss in named.items()}
        functions = {name: function for name, function in built.items() if function is not None}
        for name, function in functions.items():
            if not isinstance(function, nn.Module):
                raise MercError(
                    f"loss {name!r}: build() gives {type(function).__name__}; it must give a torch.nn.Module"
                )
            worker_for(named[name], function)
        if not functions:
            raise MercError(f"losses: {', '.join(named)} has only penalties; add a loss of answers, such as token-nll")
        if not any(named[name].weight for name in functions):
            raise MercError(
                f"losses: {', '.join(functions)} with a weight of 0 each, so nothing is learned; give one of them a "
                "weight above 0"
            )
        rewriting = [name for name, function in functions.items() if hasattr(function, "rewrite")]
        if len(rewriting) > 1:
            raise MercError(f"losses: {' and '.join(rewriting)} both change what is read of the answers; keep one")
        if rewriting and wanted_answers(losses) != {"gold"}:
            raise MercError(f"losses: {rewriting[0]} changes the one right answer, and another loss compares several")
        return cls(named, functions)

    @property
    def needs(self) -> dict[str, frozenset[str]]:
        """What each function reads of a pass."""
        losses = {name: self.losses[name] for name in self.functions}
        return {name: loss.needs | {f"heads.{head}" for head in loss.heads()} for name, loss in losses.items()}

    @property
    def penalty(self) -> float:
        """λ of the penalty λ‖W‖² over all that learns."""
        return sum(loss.penalty() for loss in self.losses.values())

    @property
    def weights(self) -> list[float]:
        """What each function's loss is multiplied by."""
        return [self.losses[name].weight for name in self.functions]

    def counts(self, batch: TreeBatch) -> Tensor:
        """What each prompt of a batch counts for each loss ``[losses, prompts]``, float64."""
        return torch.stack([_counts(name, function, batch) for name, function in self.functions.items()])

    def terms(self, values: Tensor, totals: Sequence[float]) -> list[Tensor]:
        """What each loss adds to the step, from its values ``[losses, prompts]``: 0 where nothing counts, as in a step
        of which no utterance has what a head learns."""
        return [
            weight * (values[index].sum() / total if total else values[index].sum() * 0.0)
            for index, (weight, total) in enumerate(zip(self.weights, totals, strict=True))
        ]

    def teaches(self, totals: Sequence[float]) -> bool:
        """Whether something counts for a loss that has a weight."""
        return any(weight and total for weight, total in zip(self.weights, totals, strict=True))

    def begin(self, batches: Sequence[TreeBatch]) -> None:
        """Show the losses that ask for it all batches of a step."""
        for function in self.functions.values():
            if hasattr(function, "begin"):
                begin: Callable[..., None] = getattr(function, "begin")  # noqa: B009
                begin(batches)

    def rewritten(self, model: EmotionModel, batches: list[TreeBatch], epoch: int) -> list[TreeBatch]:
        """The batches with what is to be read of their answers."""
        for name, function in self.functions.items():
            if hasattr(function, "rewrite"):
                rewrite: Callable[..., Sequence[TreeBatch]] = getattr(function, "rewrite")  # noqa: B009
                rewritten = list(rewrite(model, batches, epoch))
                if len(rewritten) != len(batches):
                    raise MercError(f"loss {name!r}: rewrite() gives {len(rewritten)} batches for {len(batches)}")
                return rewritten
        return batches


def _check_declared(name: str, loss: Loss) -> None:
    """Raise MercError for what no pass computes: else a misspelled word would mean nothing, or other answers."""
    for what, words, known in (("needs", sorted(loss.needs), NEEDS), ("answers", [loss.answers], ANSWERS)):
        for word in words:
            if word not in known:
                close = did_you_mean(word, known)
                raise MercError(f"loss {name!r}: its '{what}' says {word!r}.{close} There are: {', '.join(known)}")


def _counts(name: str, function: nn.Module, batch: TreeBatch) -> Tensor:
    prompts = len(batch.prompts)
    counts: Callable[[TreeBatch], Tensor] | None = getattr(function, "counts", None)
    if counts is None:
        return torch.ones(prompts, dtype=torch.float64)
    values = counts(batch)
    if not isinstance(values, Tensor) or values.shape != (prompts,):
        shape = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise MercError(f"loss {name!r}: counts() gives {shape} for {prompts} prompts; it must give one value a prompt")
    return values.detach().cpu().double()


class Measured:
    """Adds up what the modules of losses that have ``measures()`` give of each pass."""

    def __init__(self, functions: Mapping[str, nn.Module]) -> None:
        self._measures: dict[str, Callable[[], Mapping[str, tuple[float, float]]]] = {
            name: getattr(function, "measures")  # noqa: B009
            for name, function in functions.items()
            if hasattr(function, "measures")
        }
        self._sums: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))

    def add(self) -> None:
        """Count the pass that was just computed."""
        for loss, measures in self._measures.items():
            for name, (total, count) in measures().items():
                before = self._sums[f"{loss}/{name}"]
                self._sums[f"{loss}/{name}"] = (before[0] + total, before[1] + count)

    def means(self, strategy: Strategy) -> dict[str, dict[str, float]]:
        """The means by loss and name; nothing of what was counted nowhere."""
        if not self._measures:
            return {}
        sums: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        for name, total, count in strategy.collect([[name, *both] for name, both in self._sums.items()]):
            sums[name] = (sums[name][0] + total, sums[name][1] + count)
        means: dict[str, dict[str, float]] = {}
        for both, (total, count) in sums.items():
            loss, _, name = both.partition("/")
            if count:
                means.setdefault(loss, {})[name] = total / count
        return means
