"""Connectors: features as they are, one fully connected layer, a small network, and a soft prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from merc.components import Connector, FeatureSpec
from merc.errors import MercError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Identity(Connector):
    """Features that are tokens of the LLM's width already, as those of a multimodal model's own tower, as they are.
    Nothing of it learns."""

    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        """A module that gives what it gets. Raises MercError for features of another width."""
        from torch import nn

        if spec.dim != hidden:
            raise MercError(
                f"connector identity: the features have {spec.dim} numbers per token and the LLM's width is {hidden}; "
                "give the encoder that belongs to the backbone, or the connector linear"
            )
        return nn.Identity()


@dataclass(frozen=True, kw_only=True)
class Linear(Connector):
    """One fully connected layer, the same for every token."""

    normalize: Literal["none", "train"] = "none"
    """``train`` first shifts and scales each feature by its mean and deviation over the train split, which are stored
    with the run."""
    pool: Literal["none", "mean"] = "none"
    """``mean`` makes one token of an utterance's tokens, their mean; ``none`` keeps them."""
    dropout: float = 0.0
    """The share of the features that are dropped while training."""
    init_scale: float = 1.0
    """The factor of the layer's first weights. A frozen language model is disturbed by tokens much larger than its own
    embeddings."""

    def __post_init__(self) -> None:
        _check_scale(self.init_scale)

    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        """The layer, ``[tokens, dim]`` to ``[tokens, hidden]``."""
        from torch import nn

        layers = (nn.Dropout(self.dropout), _scaled(nn.Linear(spec.dim, hidden), self.init_scale))
        return _tokenwise(nn.Sequential(*layers), spec.dim, self.normalize == "train", self.pool == "mean")

    def tokens(self, count: int) -> int:
        """As many as go in, or one."""
        return 1 if self.pool == "mean" else count


@dataclass(frozen=True, kw_only=True)
class Mlp(Connector):
    """Fully connected layers with GELU and dropout between them, the same for every token."""

    layers: int = 2
    """How many fully connected layers."""
    width: int | None = None
    """The width of the layers between the first and the last; null is the LLM's."""
    dropout: float = 0.0
    """The share of the numbers between layers that are dropped while training."""
    normalize: Literal["none", "train"] = "none"
    """``train`` first shifts and scales each feature by its mean and deviation over the train split, which are stored
    with the run."""
    pool: Literal["none", "mean"] = "none"
    """``mean`` makes one token of an utterance's tokens, their mean; ``none`` keeps them."""
    init_scale: float = 1.0
    """The factor of the last layer's first weights. A frozen language model is disturbed by tokens much larger than its
    own embeddings."""

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers counts from 1, not {self.layers}")
        _check_scale(self.init_scale)

    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        """The network, ``[tokens, dim]`` to ``[tokens, hidden]``."""
        from torch import nn

        width = self.width or hidden
        sizes = [spec.dim, *[width] * (self.layers - 1), hidden]
        stack: list[nn.Module] = []
        for i in range(self.layers):
            last = i + 1 == self.layers
            stack += [_scaled(nn.Linear(sizes[i], sizes[i + 1]), self.init_scale if last else 1.0)]
            if not last:
                stack += [nn.GELU(), nn.Dropout(self.dropout)]
        return _tokenwise(nn.Sequential(*stack), spec.dim, self.normalize == "train", self.pool == "mean")

    def tokens(self, count: int) -> int:
        """As many as go in, or one."""
        return 1 if self.pool == "mean" else count


@dataclass(frozen=True, kw_only=True)
class Soft(Connector):
    """Vectors that learn, at the beginning of every prompt: prompt tuning. It belongs to no encoder, so its name in the
    recipe is free."""

    inputs = "none"
    length: int = 20
    """How many vectors, each a token."""
    deviation: float = 0.02
    """The standard deviation of the normal distribution that they are drawn from."""

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError(f"length counts from 1, not {self.length}")
        if self.deviation < 0:
            raise ValueError(f"deviation is 0 or more, not {self.deviation}")

    def tokens(self, count: int) -> int:
        """As many as there are vectors."""
        return self.length

    def build(self, spec: FeatureSpec, hidden: int) -> nn.Module:
        """The vectors, ``[length, hidden]``."""
        import torch
        from torch import nn

        from merc.components import Stream

        class Vectors(nn.Module):
            def __init__(self, length: int, deviation: float) -> None:
                super().__init__()
                self.vectors = nn.Parameter(torch.randn(length, hidden) * deviation)

            def forward(self, stream: Stream) -> Stream:
                values = self.vectors.expand(len(stream.values), -1, -1)
                return Stream(values, torch.ones(values.shape[:2], dtype=torch.bool, device=values.device))

        return Vectors(self.length, self.deviation)


def _check_scale(scale: float) -> None:
    if scale <= 0:
        raise ValueError(f"init_scale is above 0, not {scale}")


def _scaled(layer: nn.Linear, scale: float) -> nn.Linear:
    """The layer, its first weights and bias multiplied in place."""
    import torch

    with torch.no_grad():
        layer.weight.mul_(scale)
        layer.bias.mul_(scale)
    return layer


def _tokenwise(network: nn.Module, dim: int, normalize: bool, pool: bool) -> nn.Module:
    """A module that applies a network to each token of a Stream, after a fitted normalization and a pooling."""
    from torch import nn

    from merc.components import Stream
    from merc.model.normalization import Normalization

    class Tokenwise(Normalization if normalize else nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(*([dim] if normalize else []))
            self.network = network

        def forward(self, stream: Stream) -> Stream:
            values, mask = stream.zeroed(), stream.mask
            if normalize:
                values = super().forward(values)
            if pool:
                weights = mask.unsqueeze(-1).to(values.dtype)
                values = (values * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=1)
                mask = mask.any(1, keepdim=True)
            return Stream(self.network(values), mask)

    return Tokenwise()
