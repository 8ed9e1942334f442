"""A graph over utterances and modalities (equations 19 and 20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from merc import Stream
from merc_fusion.nets.operators import Operator
from merc_fusion.nets.streams import softmax, there

RELATIONS = 4
"""The speakers of two utterances: the same, others, one of them unknown; and an utterance to itself."""
ITSELF = 3
OWN = 4.0
"""What an utterance's messages to itself begin with, above all others: of 9 utterances it then hears itself to about
nine tenths. Without it alpha begins as the mean over the neighbours, and after two layers the utterances of a
conversation are nearly alike."""


def relations(speakers: Tensor) -> Tensor:
    """0 where two utterances have the same speaker, 1 where others, 2 where one is not known, 3 for an utterance and
    itself, ``[to, from]``."""
    known = speakers >= 0
    both = known[:, None] & known
    others = torch.where(both, (speakers[:, None] != speakers).long(), 2)
    return others.masked_fill(torch.eye(len(speakers), dtype=torch.bool, device=speakers.device), ITSELF)


class Messages(nn.Module):
    """One layer of equation 19 at the nodes of one modality ``m``: what all modalities ``n`` of the neighbours send."""

    def __init__(self, own: int, widths: Sequence[int], width: int) -> None:
        super().__init__()
        self.own = own
        self.layers = nn.ModuleList(nn.Linear(size, width, bias=False) for size in widths)  # W^(l, m, n)
        self.receives = nn.Linear(width, 1, bias=False)
        self.sends = nn.ModuleList(nn.Linear(width, 1, bias=False) for _ in widths)
        self.relation = nn.Parameter(torch.zeros(RELATIONS))
        with torch.no_grad():
            self.relation[ITSELF] = OWN
        for scores in (self.receives, *self.sends):  # alpha begins by who speaks alone
            nn.init.zeros_(scores.weight)
        for layer in self.layers:  # so that what ReLU leaves is as large as what came
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")

    def forward(self, nodes: Sequence[Tensor], here: Tensor, near: Tensor, relation: Tensor) -> Tensor:
        """``nodes`` ``[utterances, width]`` of each modality, ``here`` ``[utterances, modalities]`` bool, ``near``
        ``[to, from]`` bool. The new states ``[utterances, width]``."""
        moved = torch.stack([layer(node) for layer, node in zip(self.layers, nodes, strict=True)], 1)
        sent = torch.cat([sends(part) for sends, part in zip(self.sends, moved.unbind(1), strict=True)], -1)
        received = self.receives(moved[:, self.own])
        scores = leaky_relu(received.unsqueeze(-1) + sent + self.relation[relation].unsqueeze(-1), 0.2)
        mask = near.unsqueeze(-1) & here  # [to, from, modalities]
        weights = softmax(scores.flatten(1), mask.flatten(1))
        return (weights @ moved.flatten(0, 1)).relu()


class ModalityGraph(nn.Module):
    """Layers of messages between nodes, one for each modality of each utterance, then fusion across modalities."""

    def __init__(self, dims: Mapping[str, int], layers: int, window: int | None, fusion: Operator) -> None:
        super().__init__()
        self.names, self.window = list(dims), window
        width, count = fusion.absent.shape[1], len(dims)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                Messages(own, list(dims.values()) if layer == 0 else [width] * count, width) for own in range(count)
            )
            for layer in range(layers)
        )
        self.fusion = fusion

    def forward(self, streams: Mapping[str, Stream], speakers: Tensor) -> Stream:
        """``[utterances, 1, out]``."""
        here = there(streams, self.names)
        place = torch.arange(len(here), device=here.device)
        back = place[:, None] - place
        near = (back >= 0) & (back <= (len(here) if self.window is None else self.window))
        relation = relations(speakers)
        nodes = [streams[name].mean() for name in self.names]
        for layer in self.layers:
            nodes = [messages(nodes, here, near, relation) for messages in layer]
        return Stream(self.fusion(torch.stack(nodes, 1), here).unsqueeze(1), here.any(1, keepdim=True))
