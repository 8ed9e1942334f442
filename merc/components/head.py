"""Head: the model's hidden state in; numbers, or several labels at once, out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from merc.components.base import Component
from merc.components.prompter import Query
from merc.conversation import Utterance
from merc.errors import MercError

if TYPE_CHECKING:
    from torch import Tensor, nn


class Targets(NamedTuple):
    """What is true of the utterances that prompts ask about, as a head learns it."""

    values: Tensor
    """``[prompts, outputs]`` float32; 0 where nothing is known."""
    known: Tensor
    """``[prompts, outputs]`` bool: whether the corpus knows it."""


@dataclass(frozen=True, kw_only=True)
class Head(Component):
    """A small module on the hidden state where each answer begins, which gives an utterance's ``values``.

    A head predicts ``fields`` of an utterance: ``target`` reads what is true under these names, and ``values`` gives
    what was predicted under the same ones. ``gives`` names the kind of them, for metrics: ``numbers`` (a number by
    field) or ``label_sets`` (by field the ``labels`` that are true and the ``probabilities`` of all).

    It learns where a loss of the stage reads it: ``{name: head, head: NAME}`` makes ``losses`` smaller, and losses of
    plugins may compare its outputs with its targets in another way.

    A head for how many words an utterance has:

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Length(Head):
    ...     gives = frozenset({"numbers"})
    ...
    ...     def fields(self):
    ...         return ("length",)
    ...
    ...     def build(self, width):
    ...         import torch
    ...         return torch.nn.Linear(width, 1)
    ...
    ...     def target(self, utterance):
    ...         return (len(utterance.text.split()),)
    ...
    ...     def losses(self, outputs, targets):
    ...         return (outputs - targets.values).abs()
    ...
    ...     def values(self, outputs):
    ...         return {"length": outputs[0]}
    >>> Length().target(Utterance(id="u", text="We won!"))
    (2,)
    """

    kind: ClassVar[str] = "head"
    gives: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def fields(self) -> Sequence[str]:
        """The names of the values that it gives, which are those of an utterance that it learns from."""

    @abstractmethod
    def build(self, width: int) -> nn.Module:
        """The module: hidden states ``[prompts, width]`` float32 in, ``[prompts, outputs]`` out. It may be built on
        torch's meta device."""

    @abstractmethod
    def target(self, utterance: Utterance) -> Sequence[float | None]:
        """What is true of an utterance.

        Returns:
            An entry for each output; ``None`` where the corpus does not know it.

        Raises:
            ValueError: Something cannot be true (a number outside its range, an unknown label); the message is half a
                sentence that names the field.
        """

    @abstractmethod
    def losses(self, outputs: Tensor, targets: Targets) -> Tensor:
        """How far each output is from its target.

        Args:
            outputs: What the module gave, ``[prompts, outputs]`` float32.
            targets: What is true, of the same shape.

        Returns:
            Losses ``[prompts, outputs]``, with a gradient. What is not ``known`` is not looked at.
        """

    @abstractmethod
    def values(self, outputs: Sequence[float]) -> Mapping[str, Any]:
        """The outputs of one prompt as values by field: plain JSON."""

    def targets(self, queries: Sequence[Query]) -> Targets:
        """``target`` of what each query asks about, a row a query. Raises MercError where it fails, naming the
        utterance."""
        import torch

        rows = [self.checked(query.target) for query in queries]
        known = torch.tensor([[value is not None for value in row] for row in rows])
        return Targets(torch.tensor([[float(value or 0.0) for value in row] for row in rows]), known)

    def checked(self, utterance: Utterance) -> Sequence[float | None]:
        """``target``. Raises MercError where it fails, naming where the utterance was read."""
        try:
            return self.target(utterance)
        except ValueError as error:
            where = f"{utterance.origin}: " if utterance.origin else ""
            raise MercError(f"{where}utterance {utterance.id!r}: {error}") from None


GIVES_OF_HEADS = {
    "numbers": "{name: regression, outputs: {valence: [-1, 1]}}",
    "label_sets": "{name: multi-label, labels: [joy, anger]}",
}
"""What heads give, and the section of one that does."""
