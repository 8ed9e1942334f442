"""Features shifted and scaled by what the train split has of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from merc.components import FeatureSpec, Stream

StreamFeatures = Callable[[str], Iterable[Tensor]]
"""The features ``[tokens, dim]`` of a stream, one utterance after the other."""


class Normalization(nn.Module):
    """Each of ``dim`` features less its mean, divided by its standard deviation. Until ``fit``, features as they are.

    >>> normal = Normalization(2)
    >>> normal.fit([torch.tensor([[1.0, 5.0], [3.0, 5.0]])])
    >>> normal(torch.tensor([[3.0, 7.0]])).tolist()
    [[1.0, 2.0]]
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))

    def fit(self, features: Iterable[Tensor]) -> None:
        """Take mean and deviation from all tokens of ``features``, each ``[tokens, dim]``."""
        mean, deviation = self.get_buffer("mean"), self.get_buffer("deviation")
        count = 0
        total, squares = (torch.zeros(len(mean), dtype=torch.double) for _ in range(2))
        for tokens in features:
            numbers = tokens.detach().double().cpu()
            count += len(numbers)
            total += numbers.sum(0)
            squares += numbers.square().sum(0)
        if count:
            mean.copy_(total / count)
            spread = (squares / count - (total / count).square()).clamp(min=0).sqrt()
            # A feature that never changes says nothing: it is left at its distance from the mean, not blown up.
            deviation.copy_(torch.where(spread > 1e-6, spread, torch.ones_like(spread)))

    def forward(self, values: Tensor) -> Tensor:
        """``[..., dim]`` to the same."""
        return (values - self.get_buffer("mean")) / self.get_buffer("deviation")


class NormalizedFuser(nn.Module):
    """A fuser's module, whose streams are normalized before it gets them."""

    def __init__(self, network: nn.Module, inputs: Mapping[str, FeatureSpec]) -> None:
        super().__init__()
        self.network = network
        self.normal = nn.ModuleList([Normalization(spec.dim) for spec in inputs.values()])
        self.names = list(inputs)

    def fit(self, features: StreamFeatures) -> None:
        """Take each stream's mean and deviation from its features over the train split."""
        for name, normal in zip(self.names, self.normal, strict=True):
            assert isinstance(normal, Normalization)
            normal.fit(features(name))

    def forward(self, streams: Mapping[str, Stream], *speakers: Tensor) -> Stream:
        """As the fuser's own."""
        normalized = {
            name: Stream(normal(streams[name].zeroed()), streams[name].mask)
            for name, normal in zip(self.names, self.normal, strict=True)
        }
        fused: Stream = self.network(normalized, *speakers)
        return fused
