"""An expert a modality, of which a router asks few (section 7.3)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from merc import Stream
from merc_fusion.nets.streams import softmax, there


class ModalityExperts(nn.Module):
    """The experts' results by the router's weights."""

    def __init__(self, dims: Mapping[str, int], width: int, out: int, top: int) -> None:
        super().__init__()
        self.top = min(top, len(dims))
        self.experts = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(dim, width), nn.GELU(), nn.Linear(width, out)) for name, dim in dims.items()}
        )
        self.router = nn.Linear(sum(dims.values()), len(dims))

    def weights(self, means: Mapping[str, Tensor], here: Tensor) -> Tensor:
        """What each expert counts, ``[rows, modalities]``: its share of a softmax over the modalities that a row has,
        and 0 where it is not among the ``top`` that the router likes best. The softmax comes first, so that the router
        learns from one chosen expert as well, whose weight would else always be 1."""
        scores = self.router(torch.cat(list(means.values()), -1))
        best = scores.masked_fill(~here, -torch.inf).topk(self.top, -1).indices
        chosen = torch.zeros_like(here).scatter(1, best, True) & here
        return softmax(scores, here) * chosen

    def forward(self, streams: Mapping[str, Stream]) -> Stream:
        """``[rows, 1, out]``."""
        here = there(streams, self.experts)
        means = {name: streams[name].mean() for name in self.experts}
        weights = self.weights(means, here)
        fused = weights.new_zeros(len(here), self.experts[next(iter(means))][2].out_features)
        for number, (name, expert) in enumerate(self.experts.items()):
            rows = weights[:, number].nonzero().squeeze(1)  # no other row is computed
            outputs = weights[rows, number].unsqueeze(1) * expert(means[name][rows])
            fused = fused.index_add(0, rows, outputs.to(fused.dtype))
        return Stream(fused.unsqueeze(1), here.any(1, keepdim=True))
