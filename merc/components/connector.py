"""Connector: features in, tokens of the LLM's width out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from merc.components.base import Component
from merc.components.encoder import FeatureSpec

if TYPE_CHECKING:
    from torch import Tensor, nn


class Stream(NamedTuple):
    """A batch of token sequences, a row an utterance."""

    values: Tensor
    """``[batch, tokens, dim]``; anything may stand where the mask is false."""
    mask: Tensor
    """``[batch, tokens]`` bool: true where a token is real. A row without a true value lacks this modality."""

    def present(self) -> Tensor:
        """Which rows have the modality, ``[batch]`` bool."""
        return self.mask.any(1)

    def zeroed(self) -> Tensor:
        """The values with zeros at masked places, where anything may stand: NaN times zero would be NaN."""
        return self.values.masked_fill(~self.mask.unsqueeze(-1), 0.0)

    def mean(self) -> Tensor:
        """The mean of each row's real tokens, ``[batch, dim]``; zeros for a row without any."""
        return self.zeroed().sum(1) / self.mask.sum(1, keepdim=True).clamp(min=1)

    def shares(self, tokens: int) -> Tensor:
        """What each real token gives to each of ``tokens`` means, ``[batch, tokens, length]``: adaptive average
        pooling is ``stream.shares(tokens) @ stream.zeroed()``.

        Of ``n`` real tokens the i-th mean takes those from ``floor(i n / tokens)`` to before
        ``ceil((i + 1) n / tokens)``, as ``torch.nn.AdaptiveAvgPool1d`` does, but by each row's own ``n``. One token is
        so repeated ``tokens`` times.

        >>> import torch
        >>> Stream(torch.rand(1, 4, 2), torch.tensor([[True, True, True, False]])).shares(2).tolist()
        [[[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]]]
        """
        place = (self.mask.cumsum(1) - 1).unsqueeze(1)
        count = self.mask.sum(1).view(-1, 1, 1)
        step = self.mask.new_ones(tokens).cumsum(0).sub(1).view(1, -1, 1)
        first, end = step * count // tokens, ((step + 1) * count + tokens - 1) // tokens
        taken = (place >= first) & (place < end) & self.mask.unsqueeze(1)
        return taken.to(self.values.dtype) / (end - first).clamp(min=1)


class SeenMedia(NamedTuple):
    """What the places of a pass see of a connector's media."""

    tokens: Tensor
    """``[tokens, hidden]``: those of all utterances that the pass shows, side by side."""
    mask: Tensor
    """``[rows, length, tokens]`` bool: true where a place sees a token."""
    age: Tensor
    """``[rows, length, tokens]`` int: how many utterances ago a token was shown, 0 for those of the slot that stands
    last before the place, 1 for those of the slot before it, and so on. It means nothing where the mask is false."""


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
        """The module. It may be built on torch's meta device, so it must not read its own weights.

        Args:
            spec: What the features look like.
            hidden: The width of the LLM.

        Raises:
            ValueError: It cannot be built for these widths.
        """

    def tokens(self, count: int) -> int:
        """How many tokens stand in the prompt when ``count`` go in: at least 1, or 0 into one that takes no features.
        What ``forward`` gives is that many, unless it is 0 for a connector that inserts."""
        return count

    def insert(self, llm: nn.Module) -> Mapping[str, nn.Module]:
        """Modules that stand before layers of the LLM and let it look at the connector's media, by the names of the
        layers in ``llm`` (``layer_names`` lists them). Here none.

        Each has ``forward(states, media)``: ``states`` ``[rows, length, hidden]`` are what goes into the layer, and
        what it returns goes in instead; ``media`` is a SeenMedia of the tokens that ``forward`` of the connector's own
        module gave. A place sees the media of an utterance from its slot on. It may look at its own state and what it
        sees alone, not at other places: these may be of other prompts. Where it sees nothing the state stays as it is.
        They belong to the connector: they learn, are counted and saved with it. ``llm`` is the causal language model,
        which may be on the meta device, and is not to be changed.

        With ``tokens(count) == 0`` the slot takes no place in the prompt, and only says from where on media are seen.
        """
        return {}


def layer_names(llm: nn.Module) -> list[str]:
    """The names of a language model's layers, from the first to the last: its longest list of modules that is in no
    other list. A model without such a list has none.

    >>> from torch import nn
    >>> layer_names(nn.ModuleDict({"model": nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(1, 1) for _ in "ab"])})}))
    ['model.layers.0', 'model.layers.1']
    """
    from torch import nn

    lists = {name: len(module) for name, module in llm.named_modules() if isinstance(module, nn.ModuleList)}
    outer = [name for name in lists if not any(name.startswith(f"{other}.") for other in lists)]
    longest = max(outer, key=lambda name: lists[name], default="")
    return [f"{longest}.{number}" for number in range(lists.get(longest, 0))]
