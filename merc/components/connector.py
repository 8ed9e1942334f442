"""Connector: features in, tokens of the LLM's width out."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from merc.components.base import Component
from merc.components.encoder import FeatureSpec

if TYPE_CHECKING:
    from torch import Tensor, nn


class Stream(NamedTuple):
    """A batch of token sequences: ``values`` ``[batch, tokens, dim]``, ``mask`` ``[batch, tokens]`` bool, true where a
    token is real. A row without a true value is an utterance that lacks this modality."""

    values: Tensor
    mask: Tensor


@dataclass(frozen=True, kw_only=True)
class Connector(Component):
    """Maps features ``[tokens, dim]`` to ``[tokens', hidden]``, where ``hidden`` is the width of the LLM.

    ``build`` gives a ``torch.nn.Module`` whose ``forward(stream)`` takes a Stream and returns one. It must treat each
    row of the batch on its own and never let a masked token into a real one. A module that has a method
    ``fit(features: Iterable[Tensor])`` is shown the train split's features ``[tokens, dim]`` once, before the first
    stage; what it keeps in buffers is saved with the run.

    A connector whose ``inputs`` is ``"none"`` takes no features: soft prompts, say. Its name in the recipe is a stream
    of no utterance, without an encoder, and its ``tokens(0)`` tokens stand at the beginning of every prompt, after the
    tokenizer's begin token, unless the prompter places them by ``Slot(name)``. Its module is built with
    ``FeatureSpec(dim=0)`` and gets a Stream of one row, ``[1, 0, 0]``.

    The smallest complete connector:

    >>> @dataclass(frozen=True, kw_only=True)
    ... class Tokenwise(Connector):
    ...     def build(self, spec, hidden):
    ...         from torch import nn
    ...         class Module(nn.Module):
    ...             def __init__(self):
    ...                 super().__init__()
    ...                 self.layer = nn.Linear(spec.dim, hidden)
    ...             def forward(self, stream):
    ...                 return Stream(self.layer(stream.values), stream.mask)
    ...         return Module()
    >>> sum(p.numel() for p in Tokenwise().build(FeatureSpec(dim=3), 5).parameters())
    20
    """

    kind: ClassVar[str] = "connector"
    inputs: ClassVar[Literal["features", "none"]] = "features"

    @abstractmethod
    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        """The module; it may be built on torch's meta device, so it must not read its own weights."""

    def tokens(self, count: int) -> int:
        """How many tokens come out when ``count`` go in: at least 1, or 0 into one that takes no features."""
        return count
