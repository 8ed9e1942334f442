"""What fusers do with several streams, some of them missing."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from merc import Stream


def there(streams: Mapping[str, Stream], names: nn.ModuleDict | list[str]) -> Tensor:
    """Which modalities each row has, ``[rows, modalities]`` bool."""
    return torch.stack([streams[name].present() for name in names], 1)


def steps(stream: Stream, count: int) -> Tensor:
    """The stream at ``count`` steps of equal length, ``[rows, count, dim]``, by adaptive average pooling of each row's
    own tokens: step ``t`` of every stream is the same time of the utterance. Zeros for a row without tokens."""
    return stream.shares(count) @ stream.zeroed()


def sinusoids(length: int, width: int, like: Tensor) -> Tensor:
    """Sines and cosines that say which of a sequence a token is, ``[length, width]``."""
    rate = torch.exp(-math.log(10_000.0) / width * torch.arange(0, width, 2, device=like.device))
    angle = torch.arange(length, device=like.device)[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(1)[:, :width].to(like.dtype)


def softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """The softmax of the last axis over what the mask has; zeros where it has nothing."""
    # The lowest number, not minus infinity, of which no softmax can be taken where nothing is there.
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1) * mask


class Heard(nn.Module):
    """A conversation as one vector an utterance, ``[utterances, width]``: the means of the streams, each through a
    layer of its own, averaged over those that are there, and a vector where the speaker changes. Zeros (and that
    vector) where none is there."""

    def __init__(self, dims: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({name: nn.Linear(dim, width) for name, dim in dims.items()})
        self.changed = nn.Parameter(torch.zeros(width))

    def forward(self, streams: Mapping[str, Stream], speakers: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors, and which utterances have any modality, ``[utterances]`` bool."""
        here = there(streams, self.layers)
        parts = torch.stack([layer(streams[name].mean()) for name, layer in self.layers.items()], 1)
        heard = (parts * here.unsqueeze(-1)).sum(1) / here.sum(1, keepdim=True).clamp(min=1)
        changes = speakers != torch.cat([speakers[:1], speakers[:-1]])
        return heard + changes.unsqueeze(1) * self.changed, here.any(1)
